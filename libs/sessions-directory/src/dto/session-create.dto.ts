import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString, Matches, MaxLength, ValidateBy } from 'class-validator';
import { AsSent } from '@holdfast/platform-http';
import { IsSessionId, SESSION_ID_PATTERN } from '@holdfast/platform-postgres';
import { LABELS_RULE, areLabels } from '../session-label.rules.js';

/** Names a session in a path. */
export class SessionPath {
  @ApiProperty({
    description: "The caller's id of the session, unique in its project.",
    pattern: SESSION_ID_PATTERN.source,
  })
  @IsSessionId()
  session_id!: string;
}

/** What a session starts with. A session that exists keeps what it has. */
export class SessionCreate {
  @ApiPropertyOptional({ maxLength: 200, description: 'What people call it; not blank.' })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  @Matches(/\S/, { message: '$property must not be blank' })
  name?: string;

  @ApiPropertyOptional({
    type: Object,
    additionalProperties: { type: 'string' },
    description: `Text that the caller finds it by: ${LABELS_RULE}.`,
  })
  @IsOptional()
  @ValidateBy({
    name: 'areLabels',
    validator: { validate: areLabels, defaultMessage: () => `labels must hold ${LABELS_RULE}` },
  })
  @AsSent()
  labels?: Record<string, string>;
}
