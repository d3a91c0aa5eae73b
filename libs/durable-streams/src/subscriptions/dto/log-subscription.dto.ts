import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { MayBeAbsent } from '@holdfast/platform-http';
import type { SubscriptionType } from '../subscription.js';

export const SUBSCRIPTION_ID = /^[A-Za-z0-9._:~@-]{1,128}$/;
const MAX_STREAMS = 1_000;
const TYPES: SubscriptionType[] = ['webhook', 'pull-wake'];

/** Names a subscription in a path. */
export class LogSubscriptionPath {
  /** The caller's id of the subscription, unique in its project. */
  @Matches(SUBSCRIPTION_ID, { message: '$property must be 1 to 128 letters, digits, or of "._:~@-"' })
  subscription_id!: string;
}

/** Where a webhook goes. */
export class LogSubscriptionWebhook {
  /** `https://` URL in the public Internet. */
  @IsString()
  @Length(1, 2048)
  url!: string;
}

/**
 * What a subscription is made of (Durable Streams, section 6.2). What belongs to the other type is ignored, and null is
 * as good as absence.
 */
export class LogSubscriptionCreate {
  /** How workers are told of new messages. */
  @IsIn(TYPES)
  type!: SubscriptionType;

  /** Glob over stream paths: `*` is one segment, `**` any number of them. */
  @IsOptional()
  @IsString()
  @Length(1, 400)
  pattern?: string | null;

  /** Paths of streams, which need not exist. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(MAX_STREAMS)
  @IsString({ each: true })
  @Length(1, 400, { each: true })
  streams?: string[] | null;

  /** For a webhook. */
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => LogSubscriptionWebhook)
  webhook?: LogSubscriptionWebhook | null;

  /** For pull-wake: the stream of JSON that wakes are written to. */
  @IsOptional()
  @IsString()
  @Length(1, 400)
  wake_stream?: string | null;

  /** How long a worker may be silent before its work is given to the next, in milliseconds. */
  @IsOptional()
  @IsInt()
  @Min(1_000)
  @Max(600_000)
  lease_ttl_ms?: number | null;

  /** For people. */
  @IsOptional()
  @IsString()
  @MaxLength(1_000)
  description?: string | null;
}

/** Streams to be added to a subscription. */
export class LogSubscriptionStreams {
  /** Paths, which need not exist. */
  @IsArray()
  @ArrayMaxSize(MAX_STREAMS)
  @IsString({ each: true })
  @Length(1, 400, { each: true })
  streams!: string[];
}

/** Which part of a subscription's streams is shown. */
export class LogSubscriptionQuery {
  /** `next_cursor` of the answer before. */
  @MayBeAbsent()
  @IsString()
  @MaxLength(1024)
  cursor?: string;
}

/** How a receiver tells that a call is ours. */
export interface LogSubscriptionSigning {
  alg: 'ed25519';

  /** Names the present key of the JWK Set. */
  kid: string;

  /** Where the JWK Set is. */
  jwks_url: string;
}

/** The webhook of a subscription. */
export interface LogSubscriptionTarget {
  url: string;

  signing: LogSubscriptionSigning;
}

/** A stream of a subscription. */
export interface LogSubscriptionStream {
  /** Path of the stream below `/v1/stream/`. */
  path: string;

  /** Whether it was asked for by name or matched. */
  link_type: 'explicit' | 'glob';

  /** Up to where it was processed. */
  acked_offset: string;
}

/** A subscription and where it is. */
export interface LogSubscription {
  /** The caller's id of it. */
  id: string;

  /** The same. */
  subscription_id: string;

  /** How workers are told of new messages. */
  type: SubscriptionType;

  /** Streams that match it belong to the subscription. */
  pattern: string | null;

  /** At most 1000, in the order of their paths. */
  streams: LogSubscriptionStream[];

  /** To see more streams; null when these were the last. */
  next_cursor: string | null;

  /** Of a webhook. */
  webhook: LogSubscriptionTarget | null;

  /** Of pull-wake. */
  wake_stream: string | null;

  /** The lease in milliseconds. */
  lease_ttl_ms: number;

  /** When it was made. */
  created_at: string;

  /** `failed` while workers could not be told and a retry is due. */
  status: 'active' | 'failed';

  /** Why the last attempt failed. */
  last_error: string | null;

  /** When the retry is due. */
  next_attempt_at: string | null;

  /** For people. */
  description: string | null;
}
