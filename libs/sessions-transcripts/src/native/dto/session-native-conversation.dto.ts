import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsUUID, Matches } from 'class-validator';
import { LowerCase, MayBeAbsent, PageQuery } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import { HARNESS_PATTERN, NATIVE_ID_PATTERN, SAVE_POINTS, type SavePoint } from '../native-names.rules.js';

/** One finished save. */
export class SessionNativeVersion {
  @ApiProperty({ format: 'uuid', description: 'Conversation that it is a version of.' })
  conversation_id!: string;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'Counts the finished saves of the conversation, from 1.' })
  version!: number;

  @ApiProperty({ format: 'uuid', description: 'Line of versions that it is part of.' })
  branch_id!: string;

  @ApiProperty({ type: 'integer', nullable: true, description: 'The version it was built on; null for the first one.' })
  parent_version!: number | null;

  @ApiProperty({ enum: SAVE_POINTS, enumName: 'SessionNativeSavePoint', description: 'What it was made for.' })
  save_point!: SavePoint;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Turn that saved it; null for a push.' })
  turn_id!: string | null;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'Size of all its files.' })
  bytes!: number;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'Size of what it added.' })
  added_bytes!: number;

  @ApiProperty({ format: 'date-time', description: 'When it was finished.' })
  created_at!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'Key that pushed it; null for a turn.' })
  created_by_id!: string | null;
}

/** A line of versions. A divergence makes one; they are never merged. */
export class SessionNativeBranch {
  @ApiProperty({ format: 'uuid', description: 'Names the branch within its conversation.' })
  branch_id!: string;

  @ApiProperty({ description: 'Whether it is the one that a next turn goes on with.' })
  is_main!: boolean;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Where it went off; null for the main one.' })
  from_version!: number | null;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'Its newest version.' })
  version!: number;

  @ApiProperty({ format: 'date-time', description: 'When its newest version was finished.' })
  updated_at!: string;
}

/** A conversation of a harness, kept as the harness's own files. */
export class SessionNativeConversation {
  @ApiProperty({ format: 'uuid', description: 'Names it in this project.' })
  conversation_id!: string;

  @ApiProperty({ description: 'Session that it belongs to.' })
  session_id!: string;

  @ApiProperty({ description: 'Program whose files they are.' })
  harness!: string;

  @ApiProperty({ description: "The harness's own id of it." })
  native_id!: string;

  @ApiProperty({ type: String, nullable: true, description: 'Version of the program that saved last, if it said so.' })
  harness_version!: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When it began, where that is known.',
  })
  started_at!: string | null;

  @ApiProperty({ description: 'Whether the next turn of the session goes on with it.' })
  is_head!: boolean;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'Newest version of the main branch.' })
  version!: number;

  @ApiProperty({ type: [SessionNativeBranch], description: 'Its branches, the main one first, then the newest.' })
  branches!: SessionNativeBranch[];

  @ApiProperty({ format: 'date-time', description: 'When it was saved first.' })
  created_at!: string;

  @ApiProperty({ format: 'date-time', description: 'When its main branch was saved last.' })
  updated_at!: string;
}

/** Which conversations are asked for. */
export class SessionNativeConversationQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'Only those of this session.' })
  @MayBeAbsent()
  @IsSessionId()
  session_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Only this one.' })
  @MayBeAbsent()
  @LowerCase()
  @IsUUID()
  conversation_id?: string;

  @ApiPropertyOptional({ pattern: NATIVE_ID_PATTERN.source, description: 'Only those that their harness calls so.' })
  @MayBeAbsent()
  @Matches(NATIVE_ID_PATTERN)
  native_id?: string;

  @ApiPropertyOptional({ pattern: HARNESS_PATTERN.source, description: 'Only those of this program.' })
  @MayBeAbsent()
  @Matches(HARNESS_PATTERN)
  harness?: string;
}

export class SessionNativeConversationPage {
  @ApiProperty({ type: [SessionNativeConversation], description: 'Conversations, the one saved last first.' })
  data!: SessionNativeConversation[];

  @ApiProperty({ type: String, nullable: true, description: 'Where the next page begins; null at the end.' })
  next_cursor!: string | null;
}

/** Whose versions are asked for. */
export class SessionNativeVersionQuery extends PageQuery {
  @ApiProperty({ format: 'uuid', description: 'Conversation whose versions are wanted.' })
  @LowerCase()
  @IsUUID()
  conversation_id!: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Only those of this branch.' })
  @MayBeAbsent()
  @LowerCase()
  @IsUUID()
  branch_id?: string;
}

export class SessionNativeVersionPage {
  @ApiProperty({ type: [SessionNativeVersion], description: 'Versions, newest first.' })
  data!: SessionNativeVersion[];

  @ApiProperty({ type: String, nullable: true, description: 'Where the next page begins; null at the end.' })
  next_cursor!: string | null;
}
