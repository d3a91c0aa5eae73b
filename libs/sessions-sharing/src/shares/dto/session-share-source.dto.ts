import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { IsOptional, IsUUID, ValidateBy, isUUID } from 'class-validator';
import { AsSent, LowerCase } from '@holdfast/platform-http';

/** The task that an ambient agent works on. */
export class SessionAmbientTask {
  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: "The orchestrator's task, where known." })
  task_id!: string | null;
}

/** Shared by an agent that nobody watches, from its start. */
export class SessionAmbientSource {
  @ApiProperty({ type: SessionAmbientTask, description: 'Which agent that is.' })
  ambient_agent!: SessionAmbientTask;
}

/** Where a shared session comes from: the bare string, or the agent. */
export type SessionSourceType = 'user' | SessionAmbientSource;

export const SOURCE_UNITS = ['user', 'ambient_agent'] as const;

export type SourceUnit = (typeof SOURCE_UNITS)[number];

const SOURCE_TYPE = {
  oneOf: [{ type: 'string', enum: [...SOURCE_UNITS] }, { $ref: getSchemaPath(SessionAmbientSource) }],
};

/** Whether `value` is a source type in one of its forms; those that are older than this one among them. */
export function isSourceType(value: unknown): value is SourceUnit | SessionAmbientSource {
  if (value === 'user' || value === 'ambient_agent') return true;
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'ambient_agent') return false;
  const { ambient_agent } = value as { ambient_agent: unknown };
  if (typeof ambient_agent !== 'object' || ambient_agent === null || Array.isArray(ambient_agent)) return false;
  const { task_id = null, ...rest } = ambient_agent as { task_id?: unknown };
  return Object.keys(rest).length === 0 && (task_id === null || isUUID(task_id));
}

/** Where a share comes from, as its maker says. */
@ApiExtraModels(SessionAmbientSource)
export class SessionShareSourceCreate {
  @ApiProperty({
    ...SOURCE_TYPE,
    description: '`user`, or the agent that shares itself; a bare `ambient_agent` is of no task.',
  })
  @ValidateBy({
    name: 'isSourceType',
    validator: {
      validate: isSourceType,
      defaultMessage: () =>
        'source_type must be "user", "ambient_agent" or {"ambient_agent": {"task_id": UUID or null}}',
    },
  })
  @AsSent()
  source_type!: SourceUnit | SessionAmbientSource;

  @ApiPropertyOptional({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Task that the session works on. The server puts in the one that it knows.',
  })
  @IsOptional()
  @IsUUID()
  @LowerCase()
  source_task_id?: string | null;
}
