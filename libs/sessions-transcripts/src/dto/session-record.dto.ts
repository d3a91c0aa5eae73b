import { ApiProperty } from '@nestjs/swagger';

/** What a transcript is made of. */
export const SESSION_RECORD_TYPES = [
  'user_message',
  'agent_message',
  'thought',
  'tool_call',
  'plan',
  'interaction',
  'usage',
  'turn_end',
] as const;

export type SessionRecordType = (typeof SESSION_RECORD_TYPES)[number];

/** The shape of `content` for each type. What agents said is ACP (protocol v1), unchanged. */
const CONTENT = `What the record says, by type:
- \`user_message\` \`{prompt, by_id}\`: the input of a turn as it was given, and the principal who gave it.
- \`agent_message\`, \`thought\` \`{blocks, continues}\`: ACP content blocks, adjacent text joined to one block. A message over
  1 MiB is cut into several records; \`continues\` says that this one goes on where the record before it was cut.
- \`tool_call\` \`{status, tool_call}\`: an ACP ToolCall with all its updates merged. \`status\` is \`completed\`, \`failed\`, or
  \`interrupted\` when the turn, or its attempt, ended first; \`tool_call.status\` is then the last one that the agent told.
- \`plan\` \`{entries}\`: the latest of a run of ACP plans.
- \`interaction\` \`{interaction_id, kind, request, verdict, by_id, outcome, reason}\`: a question and what became of it.
  \`outcome\` is \`resolved\` (answered, and the agent took it up), \`responded\` (answered, but the turn ended before the agent
  took it up), \`cancelled\` (\`reason\` says why) or \`unanswered\` (too many were open). \`verdict\` and \`by_id\` are null without
  an answer.
- \`usage\` \`{context, turn}\`: the latest ACP UsageUpdate of the turn (\`used\`, \`size\`, \`cost\`), and the usage its end told,
  or null.
- \`turn_end\` \`{status, stop_reason, usage, error}\`: \`status\` is \`completed\`, \`failed\`, \`cancelled\` or \`lost\`; the others
  may be null.

Secrets are replaced by \`[redacted:RULE]\`, named by the rule that found them. Text that PostgreSQL cannot hold (NUL, halves of surrogate pairs) is replaced by U+FFFD.`;

/** One finished item of a session's transcript. */
export class SessionRecord {
  @ApiProperty({
    description: "Offset of the record's first event in the session's log; the order of records.",
    example: '0000000000000000_0000000000000042',
  })
  record_id!: string;

  @ApiProperty({ description: 'The session, unique within the project.' })
  session_id!: string;

  @ApiProperty({ description: 'The turn it belongs to, if any.', type: String, format: 'uuid', nullable: true })
  turn_id!: string | null;

  @ApiProperty({ description: 'What the record is; decides the shape of `content`.', enum: SESSION_RECORD_TYPES })
  type!: SessionRecordType;

  @ApiProperty({ description: CONTENT, type: 'object', additionalProperties: true })
  content!: Record<string, unknown>;

  @ApiProperty({ description: 'Time of its first event.', format: 'date-time' })
  started_at!: string;

  @ApiProperty({ description: 'Time of its last event.', format: 'date-time' })
  ended_at!: string;
}
