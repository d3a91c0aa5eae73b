import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsInt, IsString, Matches, Max, MaxLength, Min, ValidateBy } from 'class-validator';
import { FILE_MODES, isFileName, MAX_FILE_NAME, SHA256_PATTERN, type FileMode } from '../native-names.rules.js';

const NAME = {
  maxLength: MAX_FILE_NAME,
  example: 'main.jsonl',
  description:
    'Role of the file, the same on every machine. Relative, `/` between its parts; no part is empty, `.` or `..`.',
};

/** Refuses a property that is no name of a file. */
export function IsFileName(): PropertyDecorator {
  return ValidateBy({
    name: 'isFileName',
    validator: {
      validate: isFileName,
      defaultMessage: () =>
        `$property must be a relative path of at most ${MAX_FILE_NAME} characters without empty, "." or ".." parts, backslashes and control characters`,
    },
  });
}

/** Where the bytes of a chunk were captured: what depends on the place is moved to another one by these. */
export class SessionNativeOrigin {
  @ApiProperty({ maxLength: 4096, description: "The user's home there, an absolute path." })
  @IsString()
  @MaxLength(4096)
  home!: string;

  @ApiProperty({ maxLength: 4096, description: "The harness's own folder there, an absolute path." })
  @IsString()
  @MaxLength(4096)
  root!: string;

  @ApiProperty({ maxLength: 4096, description: 'Working directory of the agent there, an absolute path.' })
  @IsString()
  @MaxLength(4096)
  cwd!: string;
}

/** A run of whole lines of a file, kept as one blob. */
export class SessionNativeChunk {
  @ApiProperty({ type: 'integer', minimum: 1, description: 'Its first line, from 1; of a `whole` file its place.' })
  from_line!: number;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'How many lines it has; 1 of a `whole` file.' })
  lines!: number;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'Its size.' })
  bytes!: number;

  @ApiProperty({ description: "Canonical digest of the file up to this chunk's end, as whoever saved it told." })
  digest!: string;

  @ApiProperty({ description: 'sha256 of its bytes, in hex.' })
  sha256!: string;

  @ApiProperty({ description: 'Where it was captured.' })
  origin!: SessionNativeOrigin;
}

/** What a file is after a save. */
export class SessionNativeFileState {
  @ApiProperty(NAME)
  @IsFileName()
  name!: string;

  @ApiProperty({
    enum: FILE_MODES,
    enumName: 'SessionNativeFileMode',
    description: '`lines` only grows, and its past is judged; `whole` is replaced when it differs.',
  })
  @IsIn(FILE_MODES)
  mode!: FileMode;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'How many lines it has; of a `whole` file, chunks.' })
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  lines!: number;

  @ApiProperty({
    pattern: SHA256_PATTERN.source,
    description: 'Canonical digest of all of it: sha256 in hex, opaque to the api, the same on every machine.',
  })
  @Matches(SHA256_PATTERN)
  digest!: string;
}

/** A file of a version, with the chunks that it is made of. */
export class SessionNativeFile extends SessionNativeFileState {
  @ApiProperty({ type: 'integer', minimum: 0, description: 'Sum of the sizes of its chunks.' })
  bytes!: number;

  @ApiProperty({ type: [SessionNativeChunk], description: 'What it is made of, in order.' })
  chunks!: SessionNativeChunk[];
}
