import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsUUID, Max, Min } from 'class-validator';
import { LowerCase } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';

/** Names a turn in a write of its owner, as of one attempt. */
export abstract class SessionTurnFence {
  @ApiProperty({ description: 'Session that the turn belongs to.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'Turn that the runner was granted.' })
  @LowerCase()
  @IsUUID()
  turn_id!: string;

  @ApiProperty({ type: 'integer', description: 'Epoch of the grant.' })
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  epoch!: number;
}
