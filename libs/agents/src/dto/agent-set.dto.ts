import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
  ValidateIf,
} from 'class-validator';
import { AsSent } from '@holdfast/platform-http';
import {
  APPROVALS,
  CLI_HARNESSES,
  DEFAULT_MAX_ATTEMPTS,
  DEFAULT_POOL,
  DRIVES,
  HARNESSES,
  type Approvals,
  type Drive,
  type Harness,
} from '../agent-content.rules.js';
import { AGENT_NAME_PATTERN, IsAgentName } from './is-agent-name.decorator.js';
import { ENVIRONMENT_RULE, IsEnvironment } from './is-environment.decorator.js';
import { IsDrivenBy } from './is-driven-by.decorator.js';
import { IsOfHarness } from './is-of-harness.decorator.js';

/** Of agents and of runners alike. */
const RUNNER_LABEL_PATTERN = /^[a-z0-9][a-z0-9_./-]{0,62}=[A-Za-z0-9_./-]{1,63}$/;

/** Names an agent in a path. */
export class AgentPath {
  @ApiProperty({ description: 'Name of the agent, unique in its project.', pattern: AGENT_NAME_PATTERN.source })
  @IsAgentName()
  name!: string;
}

/** The whole content of an agent: what is left out is not kept from the revision before. */
export class AgentSet {
  @ApiProperty({
    enum: HARNESSES,
    enumName: 'AgentHarness',
    description:
      'Program that hosts the agent; `acp` is any that speaks the Agent Client Protocol over stdio. With `push` a service is called instead.',
  })
  @IsIn(HARNESSES)
  harness!: Harness;

  @ApiPropertyOptional({
    default: DEFAULT_POOL,
    pattern: AGENT_NAME_PATTERN.source,
    description: 'Pool whose runners take its turns.',
  })
  @IsOptional()
  @IsAgentName()
  @IsOfHarness((harness) => harness !== 'push')
  pool?: string;

  @ApiPropertyOptional({
    maxLength: 2048,
    description:
      'Service that is called to run its turns, by `https`. Required with `push`, which has no pool, labels or command.',
  })
  @ValidateIf(({ harness, push_url }: AgentSet) => harness === 'push' || (push_url !== undefined && push_url !== null))
  @IsString()
  @MaxLength(2048)
  @IsOfHarness((harness) => harness === 'push')
  push_url?: string;

  @ApiPropertyOptional({
    type: [String],
    maxItems: 20,
    description: 'Labels (`key=value`), all of which a runner must have to take its turns.',
  })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(20)
  @Matches(RUNNER_LABEL_PATTERN, {
    each: true,
    message: 'each of $property must be key=value, for example os=linux, the key in lower case',
  })
  @IsOfHarness((harness) => harness !== 'push')
  labels?: string[];

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: 10,
    default: DEFAULT_MAX_ATTEMPTS,
    description: 'How often the owner of a turn may be lost before the turn is; until then it is run again.',
  })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(10)
  max_attempts?: number;

  @ApiPropertyOptional({ maxLength: 200, description: 'Model to ask for. Left out: the choice of the harness.' })
  @IsOptional()
  @IsString()
  @MinLength(1)
  @MaxLength(200)
  model?: string;

  @ApiPropertyOptional({
    type: Object,
    additionalProperties: { type: 'string' },
    description: `Variables the agent starts with: ${ENVIRONMENT_RULE}. Stored and shown in the clear: no secrets.`,
  })
  @IsOptional()
  @IsEnvironment()
  @AsSent()
  environment?: Record<string, string>;

  @ApiPropertyOptional({
    type: [String],
    minItems: 1,
    maxItems: 64,
    description:
      "Program and arguments, at most 4096 characters each. Required with `acp`; else instead of the harness's own.",
  })
  @ValidateIf(({ harness, command }: AgentSet) => harness === 'acp' || (command !== undefined && command !== null))
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(64)
  @IsString({ each: true })
  @MaxLength(4096, { each: true })
  @IsOfHarness((harness) => harness !== 'push')
  command?: string[];

  @ApiPropertyOptional({
    enum: DRIVES,
    enumName: 'AgentDrive',
    default: 'acp',
    description:
      "How a runner speaks with the harness: over the Agent Client Protocol, or by the harness's own command line (`codex`, `claude`, `opencode` and `gemini`, without a `command`).",
  })
  @IsOptional()
  @IsIn(DRIVES)
  @IsDrivenBy(CLI_HARNESSES)
  drive?: Drive;

  @ApiPropertyOptional({
    enum: APPROVALS,
    enumName: 'AgentApprovals',
    default: 'ask',
    description:
      "What becomes of the agent's questions: `ask` puts them to people (by `cli` only where the harness has a hook for it, else they are denied), `deny` denies them, `bypass` has the agent ask nobody. `bypass` is for projects that allow it.",
  })
  @IsOptional()
  @IsIn(APPROVALS)
  approvals?: Approvals;
}
