import { Type } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsBoolean, IsInt, IsString, Length, Min, ValidateNested } from 'class-validator';
import { MayBeAbsent } from '@holdfast/platform-http';

const MAX_ACKS = 1_000;

/** Who claims. */
export class SubscriptionClaimCreate {
  /** Names the worker, to those that come too late. */
  @IsString()
  @Length(1, 200)
  worker!: string;
}

/** A stream of a subscription as a worker finds it. */
export interface SubscriptionStreamState {
  /** Path of the stream below `/v1/stream/`. */
  path: string;

  /** Whether it was asked for by name or matched. */
  link_type: 'explicit' | 'glob';

  /** Up to where it was processed: read on from here. */
  acked_offset: string;

  /** Its end when this was written. */
  tail_offset: string;

  /** Whether there is anything between the two. */
  has_pending: boolean;
}

/** Work that is the claimer's until the lease runs out. */
export interface SubscriptionClaim {
  /** Names the wake. */
  wake_id: string;

  /** Grows with every wake of the subscription. */
  generation: number;

  /** To be sent as bearer token with `ack` and `release`. */
  token: string;

  /** Up to 1000 streams with something pending, then others, up to 100 of them. */
  streams: SubscriptionStreamState[];

  /** The lease in milliseconds; every `ack` begins it anew. */
  lease_ttl_ms: number;
}

/** How far one stream was processed. */
export class StreamAck {
  /** Path of the stream below `/v1/stream/`. */
  @IsString()
  @Length(1, 400)
  stream!: string;

  /** Offset after the last message that was processed. */
  @IsString()
  @Length(1, 64)
  offset!: string;
}

/** Names the wake that a worker works for. */
export class SubscriptionRelease {
  /** `wake_id` of the wake or claim. */
  @IsString()
  @Length(1, 128)
  wake_id!: string;

  /** `generation` of the wake or claim. */
  @IsInt()
  @Min(0)
  generation!: number;
}

/** What a worker has done. */
export class SubscriptionAck extends SubscriptionRelease {
  /** How far streams were processed. */
  @MayBeAbsent()
  @IsArray()
  @ArrayMaxSize(MAX_ACKS)
  @ValidateNested({ each: true })
  @Type(() => StreamAck)
  acks?: StreamAck[];

  /** Whether the work is over; without it the lease begins anew. */
  @MayBeAbsent()
  @IsBoolean()
  done?: boolean;
}

/** What a worker said counts. */
export interface SubscriptionAcked {
  ok: true;

  /** Whether the next wake has begun, because something is left to be done. */
  next_wake: boolean;
}
