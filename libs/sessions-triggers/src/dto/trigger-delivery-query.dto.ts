import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { PageQuery } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { TRIGGER_DELIVERY_STATUSES, type TriggerDeliveryStatus } from '../trigger-delivery.rules.js';
import { TriggerDelivery } from './trigger-delivery.dto.js';

/** Which of the project's deliveries are asked for. */
export class TriggerDeliveryQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'Only those of this session.' })
  @IsOptional()
  @IsSessionId()
  session_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Only that of this turn.' })
  @IsOptional()
  @IsUUID()
  turn_id?: string;

  @ApiPropertyOptional({
    enum: TRIGGER_DELIVERY_STATUSES,
    enumName: 'TriggerDeliveryStatus',
    description: 'Only those in this status.',
  })
  @IsOptional()
  @IsIn(TRIGGER_DELIVERY_STATUSES)
  status?: TriggerDeliveryStatus;
}

/** Deliveries, newest first. */
export class TriggerDeliveryPage {
  @ApiProperty({ type: [TriggerDelivery], description: 'The deliveries of this page.' })
  data!: TriggerDelivery[];

  @ApiProperty({ type: String, nullable: true, description: 'Cursor of the next page; null on the last one.' })
  next_cursor!: string | null;
}
