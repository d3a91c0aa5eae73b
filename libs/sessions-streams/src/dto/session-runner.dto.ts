import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsInt, IsUUID, Matches, Max, Min, ValidateBy } from 'class-validator';
import { LowerCase, MayBeAbsent } from '@holdfast/platform-http';

/** The name of a pool. */
export const POOL_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** A label of a runner: `key=value`. Agents ask for them in the same form. */
const RUNNER_LABEL = /^[a-z0-9][a-z0-9_./-]{0,62}=[A-Za-z0-9_./-]{1,63}$/;

/** Refuses an empty list of pools of a runner that has no pool of its own either. */
function SomeUnlessPrivate(): PropertyDecorator {
  return ValidateBy({
    name: 'someUnlessPrivate',
    validator: {
      validate: (pools, args) =>
        (Array.isArray(pools) && pools.length > 0) ||
        (args!.object as SessionRunnerRegister).private_pool !== undefined,
      defaultMessage: () => '$property must name a pool where there is no private_pool',
    },
  });
}

export class SessionRunnerRegister {
  @ApiProperty({ format: 'uuid', description: 'Id of this incarnation of the runner process.' })
  @LowerCase()
  @IsUUID()
  replica_id!: string;

  @ApiProperty({
    type: [String],
    maxItems: 20,
    description: 'Pools whose turns it takes. At least one, unless it has a `private_pool`.',
  })
  @IsArray()
  @SomeUnlessPrivate()
  @ArrayMaxSize(20)
  @Matches(POOL_NAME, {
    each: true,
    message: 'each of $property must be 1 to 64 lower-case letters, digits, "_" or "-"',
  })
  pools!: string[];

  @ApiPropertyOptional({
    pattern: POOL_NAME.source,
    description:
      "The pool of the runner's machine alone: it takes the turns that are to run there. Nobody may be able to guess it; the same each time that a runner starts there.",
  })
  @MayBeAbsent()
  @Matches(POOL_NAME, { message: '$property must be 1 to 64 lower-case letters, digits, "_" or "-"' })
  private_pool?: string;

  @ApiPropertyOptional({
    type: [String],
    maxItems: 20,
    default: [],
    description: 'What it has, as `key=value`. It is given only turns that ask for nothing else.',
  })
  @IsArray()
  @ArrayMaxSize(20)
  @Matches(RUNNER_LABEL, {
    each: true,
    message: 'each of $property must be key=value, for example os=linux, the key in lower case',
  })
  labels: string[] = [];

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: 1000,
    default: 100,
    description: 'Most turns that it owns at a time, however many it claims.',
  })
  @IsInt()
  @Min(1)
  @Max(1000)
  capacity: number = 100;
}

export class SessionRunner {
  @ApiProperty({ description: 'URL path of the log that its commands arrive on.' })
  control_path!: string;

  @ApiProperty({ description: 'How long a beat keeps its turns, in seconds.' })
  lease_seconds!: number;

  @ApiProperty({ description: 'How often to beat, in seconds.' })
  beat_seconds!: number;

  @ApiProperty({ description: 'When to end agents after the last beat that succeeded was sent, in seconds.' })
  watchdog_seconds!: number;
}
