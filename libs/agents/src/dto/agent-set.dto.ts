import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsOptional,
  IsString,
  MaxLength,
  MinLength,
  ValidateIf,
} from 'class-validator';
import { AsSent } from '@holdfast/platform-http';
import { DEFAULT_POOL, HARNESSES, type Harness } from '../agent-content.rules.js';
import { AGENT_NAME_PATTERN, IsAgentName } from './is-agent-name.decorator.js';
import { ENVIRONMENT_RULE, IsEnvironment } from './is-environment.decorator.js';

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
    description: 'Program that hosts the agent; `acp` is any that speaks the Agent Client Protocol over stdio.',
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
  pool?: string;

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
  command?: string[];
}
