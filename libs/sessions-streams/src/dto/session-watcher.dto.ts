import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import { IsSessionId } from '@holdfast/platform-postgres';

export class SessionStreamDetach {
  @ApiProperty({ description: 'Session to leave.' })
  @IsSessionId()
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: '`watcher_id` that invoke answered.' })
  @IsUUID()
  watcher_id!: string;
}

export class SessionStreamDetached {
  @ApiProperty({ description: 'Session that was left.' })
  session_id!: string;

  @ApiProperty({ description: 'Whether it was the watcher until now. One that was displaced changes nothing.' })
  was_watching!: boolean;
}
