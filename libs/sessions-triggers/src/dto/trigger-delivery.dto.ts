import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import {
  TRIGGER_DELIVERY_STATUSES,
  TRIGGER_SOURCES,
  type TriggerDeliveryStatus,
  type TriggerSource,
} from '../trigger-delivery.rules.js';

/** Names a delivery in a path. */
export class TriggerDeliveryPath {
  @ApiProperty({ format: 'uuid', description: 'Delivery to fetch.' })
  @IsUUID()
  delivery_id!: string;
}

export class TriggerDeliveryError {
  @ApiProperty({ description: 'Stable code, for example `not_started` or `owner_lost`.' })
  code!: string;

  @ApiProperty({ description: 'What happened, and what to do next.' })
  message!: string;
}

/** One turn that was started with nobody watching. */
export class TriggerDelivery {
  @ApiProperty({ format: 'uuid', description: 'Names this one; of two, the later has the greater.' })
  delivery_id!: string;

  @ApiProperty({ enum: TRIGGER_SOURCES, enumName: 'TriggerSource', description: 'What started the turn.' })
  source!: TriggerSource;

  @ApiProperty({ description: 'Session of the turn.' })
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'The turn: its one and only id, everywhere.' })
  turn_id!: string;

  @ApiProperty({
    enum: TRIGGER_DELIVERY_STATUSES,
    enumName: 'TriggerDeliveryStatus',
    description:
      '`pending` until a runner or a service takes the turn, `dispatched` from then on, at last how the turn ended.',
  })
  status!: TriggerDeliveryStatus;

  @ApiProperty({ type: TriggerDeliveryError, nullable: true, description: 'Why the turn did not end well.' })
  error!: TriggerDeliveryError | null;

  @ApiProperty({ format: 'date-time', description: 'When the turn was made.' })
  created_at!: string;

  @ApiProperty({ format: 'uuid', description: 'Principal that started it.' })
  created_by_id!: string;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When a runner or a service took the turn; null when none has, or none kept it long enough to tell.',
  })
  dispatched_at!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When the turn ended.' })
  closed_at!: string | null;
}
