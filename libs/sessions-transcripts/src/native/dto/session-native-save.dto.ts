import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsDefined,
  IsIn,
  IsInt,
  IsISO8601,
  IsString,
  IsUUID,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { LowerCase, MayBeAbsent } from '@holdfast/platform-http';
import { IsSessionId } from '@holdfast/platform-postgres';
import {
  FILE_MODES,
  HARNESS_PATTERN,
  MAX_FILE_NAME,
  NATIVE_ID_PATTERN,
  SAVE_POINTS,
  SHA256_PATTERN,
  type FileMode,
  type SavePoint,
} from '../native-names.rules.js';
import { IsFileName, SessionNativeFileState, SessionNativeOrigin } from './session-native-file.dto.js';

/** Most files of a conversation that one save may name. */
export const MAX_FILES = 10_000;

/** How much of a file a branch has in common with the version that it begins at. */
export class SessionNativeKeep {
  @ApiProperty({ maxLength: MAX_FILE_NAME, description: 'Role of a file of that version.' })
  @IsFileName()
  name!: string;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'How many of its lines; where one of its chunks ends.' })
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  lines!: number;
}

/** Where a branch begins. */
export class SessionNativeFork {
  @ApiProperty({ type: 'integer', minimum: 1, description: 'The version that it goes off from.' })
  @IsInt()
  @Min(1)
  @Max(2_147_483_647)
  from_version!: number;

  @ApiProperty({
    type: [SessionNativeKeep],
    maxItems: MAX_FILES,
    description: 'Files whose later lines are not part of the branch. All others are kept as they are.',
  })
  @IsArray()
  @ArrayMaxSize(MAX_FILES)
  @ValidateNested({ each: true })
  @Type(() => SessionNativeKeep)
  keep!: SessionNativeKeep[];

  @ApiPropertyOptional({
    description:
      'Next turns go on with this branch: the agent of a live turn has rewritten its past. Only of a turn, and from the ' +
      'newest version of the main branch.',
  })
  @MayBeAbsent()
  @IsBoolean()
  becomes_main?: boolean;
}

/** Begins a save of a harness's own files of a conversation. */
export class SessionNativeSaveOpen {
  @ApiProperty({ description: 'The session. A push to one that does not exist makes it.' })
  @IsSessionId()
  session_id!: string;

  @ApiPropertyOptional({ format: 'uuid', description: "The turn, under its credential; absent in a user's push." })
  @MayBeAbsent()
  @LowerCase()
  @IsUUID()
  turn_id?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, description: 'Epoch of the grant, with `turn_id`.' })
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  epoch?: number;

  @ApiProperty({ pattern: HARNESS_PATTERN.source, description: 'Program whose files they are.', example: 'claude' })
  @Matches(HARNESS_PATTERN)
  harness!: string;

  @ApiProperty({ pattern: NATIVE_ID_PATTERN.source, description: "The harness's own id of the conversation." })
  @Matches(NATIVE_ID_PATTERN)
  native_id!: string;

  @ApiProperty({ description: 'Where the files are.' })
  @IsDefined()
  @ValidateNested()
  @Type(() => SessionNativeOrigin)
  origin!: SessionNativeOrigin;

  @ApiPropertyOptional({ maxLength: 128, description: 'Version of the program, where it is known.' })
  @MayBeAbsent()
  @IsString()
  @MaxLength(128)
  harness_version?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'When the conversation began, where it is known.' })
  @MayBeAbsent()
  @IsISO8601({ strict: true })
  @Matches(/^[12]\d{3}-/)
  started_at?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Branch to continue; the main one when absent.' })
  @MayBeAbsent()
  @LowerCase()
  @IsUUID()
  branch_id?: string;

  @ApiPropertyOptional({ description: 'Makes a branch: the past of the files is another one.' })
  @MayBeAbsent()
  @ValidateNested()
  @Type(() => SessionNativeFork)
  branch?: SessionNativeFork;
}

/** A save that has begun. Nobody sees anything of it before it is finished. */
export class SessionNativeSave {
  @ApiProperty({ format: 'uuid', description: 'Names the save in its further requests.' })
  save_id!: string;

  @ApiProperty({ format: 'uuid', description: 'The conversation, in this project.' })
  conversation_id!: string;

  @ApiProperty({ format: 'uuid', description: 'The branch that the save goes on with, or makes.' })
  branch_id!: string;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Version that it builds on; null for the first one.' })
  base_version!: number | null;

  @ApiProperty({ type: [SessionNativeFileState], description: 'The files that it builds on.' })
  files!: SessionNativeFileState[];
}

export class SessionNativeSavePath {
  @ApiProperty({ format: 'uuid', description: 'The save, as its opening named it.' })
  @LowerCase()
  @IsUUID()
  save_id!: string;
}

/** What the body of an append is. */
export class SessionNativePart {
  @ApiProperty({ maxLength: MAX_FILE_NAME, description: 'Role of the file.', example: 'main.jsonl' })
  @IsFileName()
  name!: string;

  @ApiProperty({ enum: FILE_MODES, enumName: 'SessionNativeFileMode', description: 'Of the file.' })
  @IsIn(FILE_MODES)
  mode!: FileMode;

  @ApiProperty({
    type: 'integer',
    minimum: 1,
    description: 'First line of the body, from 1; of a `whole` file its place.',
  })
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  from_line!: number;

  @ApiProperty({
    type: 'integer',
    minimum: 1,
    description: 'How many lines the body has, all of them whole; 1 of a `whole` file.',
  })
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  lines!: number;

  @ApiProperty({
    pattern: SHA256_PATTERN.source,
    description: 'Canonical digest of the file up to the end of the body.',
  })
  @Matches(SHA256_PATTERN)
  digest!: string;

  @ApiProperty({ pattern: SHA256_PATTERN.source, description: 'Of the body, in hex.' })
  @Matches(SHA256_PATTERN)
  sha256!: string;
}

/** Ends a save: from now on it is a version. */
export class SessionNativeSaveFinish {
  @ApiProperty({
    type: [SessionNativeFileState],
    maxItems: MAX_FILES,
    description:
      'What files are then; each that was appended to must be among them. A file that is not named stays as it was.',
  })
  @IsArray()
  @ArrayMaxSize(MAX_FILES)
  @ValidateNested({ each: true })
  @Type(() => SessionNativeFileState)
  files!: SessionNativeFileState[];

  @ApiProperty({ enum: SAVE_POINTS, enumName: 'SessionNativeSavePoint', description: 'What the save was made for.' })
  @IsIn(SAVE_POINTS)
  save_point!: SavePoint;
}
