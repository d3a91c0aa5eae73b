import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';
import { LowerCase } from '@holdfast/platform-http';

/** `cancel`: turns end at a safe point and can be gone on with. `kill`: at once, together with what waits. */
export const TASK_STOPS = ['cancel', 'kill'] as const;

export type TaskStop = (typeof TASK_STOPS)[number];

/** A task whose subtree is to stop. */
export class SessionTaskStop {
  @ApiProperty({ format: 'uuid', description: 'Top of the subtree.' })
  @IsUUID()
  @LowerCase()
  task_id!: string;
}

/** How far a subtree has stopped. Whatever remains goes on being stopped. */
export class SessionTaskStopped {
  @ApiProperty({ format: 'uuid', description: 'Top of the subtree.' })
  task_id!: string;

  @ApiProperty({ enum: TASK_STOPS, enumName: 'SessionTaskStopping', description: 'How it stops.' })
  stopping!: TaskStop;

  @ApiProperty({ type: 'integer', description: 'Tasks that this call has stopped.' })
  ended!: number;

  @ApiProperty({ type: 'integer', description: 'Tasks that are to stop still.' })
  remaining!: number;
}
