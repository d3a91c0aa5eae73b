import { ApiProperty } from '@nestjs/swagger';

const STREAM_STATUSES = ['idle', 'queued', 'starting', 'running', 'stopping'] as const;

/** Who runs a session now, and where its log is. */
export class SessionStream {
  @ApiProperty({ description: 'Session that the stream belongs to.' })
  session_id!: string;

  @ApiProperty({
    enum: STREAM_STATUSES,
    enumName: 'SessionStreamStatus',
    description: 'Status of the live turn, or idle.',
  })
  status!: (typeof STREAM_STATUSES)[number];

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'The live turn.' })
  current_turn_id!: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Runner that owns the live turn.' })
  owner_replica_id!: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Until when it owns it without another beat.',
  })
  lease_until!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: "The owner's last beat." })
  last_heartbeat_at!: string | null;

  @ApiProperty({ description: 'URL path of the log, for the Durable Streams protocol.' })
  log_path!: string;

  @ApiProperty({ description: 'End of the log. Follow from here to see only what comes.' })
  tail_offset!: string;
}
