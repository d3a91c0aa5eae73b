import { ApiProperty } from '@nestjs/swagger';
import { LIVE_STATUSES } from '../control/session-turn.rules.js';

export const SESSION_STATUSES = ['idle', ...LIVE_STATUSES] as const;

export type SessionStatus = (typeof SESSION_STATUSES)[number];

/** Who runs a session now. */
export class SessionLiveness {
  @ApiProperty({ description: 'Session that was asked about.' })
  session_id!: string;

  @ApiProperty({ description: 'Whether a runner owns the live turn and its lease has not run out.' })
  alive!: boolean;

  @ApiProperty({
    enum: SESSION_STATUSES,
    enumName: 'SessionStreamStatus',
    description: 'Status of the live turn, or idle.',
  })
  status!: SessionStatus;

  @ApiProperty({ description: 'Whether somebody watches the live turn.' })
  attached!: boolean;

  @ApiProperty({ description: "Whether the owner's last beat said that a sandbox is up." })
  sandbox_live!: boolean;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: "The owner's last beat." })
  last_heartbeat_at!: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Until when it owns the turn without another beat.',
  })
  lease_until!: string | null;

  @ApiProperty({ type: 'integer', description: 'How many prompts wait.' })
  inbox_length!: number;
}

/** Who runs a session now, and where its log is. */
export class SessionStream extends SessionLiveness {
  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'The live turn.' })
  current_turn_id!: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Runner that owns the live turn.' })
  owner_replica_id!: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Who watches the live turn.' })
  watcher_id!: string | null;

  @ApiProperty({ description: 'URL path of the log, for the Durable Streams protocol.' })
  log_path!: string;

  @ApiProperty({ description: 'End of the log. Follow from here to see only what comes.' })
  tail_offset!: string;
}
