import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
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
import { TURN_STATUSES, type TurnStatus } from '../control/session-turn.rules.js';
import { POOL_NAME } from './session-runner.dto.js';
import { OnlyDetached, OnlyFor } from './only-for.decorator.js';

/** Most characters of a prompt. */
const MAX_PROMPT = 262_144;

/** How long a detached invoke waits for the start unless it says otherwise, and at most, in milliseconds. */
export const DEFAULT_START_WITHIN_MS = 5_000;
const MAX_START_WITHIN_MS = 30_000;

const LOCAL_SHAPE = '$property must be an object with the private_pool of a runner';
const AGENT_SHAPE = '$property must be an object with the name of an agent';

export class SessionStreamAgent {
  @ApiProperty({ description: 'Name of an agent of the project.' })
  @Matches(/^[a-z0-9][a-z0-9_-]{0,63}$/, { message: '$property must be the name of an agent' })
  name!: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, description: 'Revision to run; the current one when left out.' })
  @MayBeAbsent()
  @IsInt()
  @Min(1)
  revision?: number;
}

/** The machine of whoever calls, as the runner that it started there is registered. */
export class SessionStreamLocal {
  @ApiProperty({ pattern: POOL_NAME.source, description: '`private_pool` of the runner.' })
  @Matches(POOL_NAME, { message: '$property must be 1 to 64 lower-case letters, digits, "_" or "-"' })
  private_pool!: string;
}

/** A command for a session: send or steer with a prompt, cancel or attach without one (docs/reference/turns.md). */
export class SessionStreamInvoke {
  @ApiProperty({ description: 'Session to run; made when it does not exist and a prompt is given.' })
  @IsSessionId()
  session_id!: string;

  @ApiPropertyOptional({
    minLength: 1,
    maxLength: MAX_PROMPT,
    description: 'What the agent is asked. Without it: cancel, or with `force` attach.',
  })
  @MayBeAbsent()
  @IsString()
  @Matches(/\S/, { message: '$property must say something' })
  @MaxLength(MAX_PROMPT)
  prompt?: string;

  @ApiPropertyOptional({
    default: false,
    description: 'With a prompt: steer, that is replace the live turn. Without: attach to it.',
  })
  @MayBeAbsent()
  @IsBoolean()
  force?: boolean;

  @ApiPropertyOptional({
    format: 'uuid',
    description:
      'For cancel: the turn that is meant, so that it is never another one which took its place. Left out: the live turn.',
  })
  @MayBeAbsent()
  @LowerCase()
  @IsUUID()
  @OnlyFor('cancel')
  turn_id?: string;

  @ApiPropertyOptional({
    enum: ['reject', 'queue'],
    enumName: 'SessionStreamOnBusy',
    default: 'reject',
    description: 'For send, while a turn is live: refuse it, or let it wait in the inbox.',
  })
  @MayBeAbsent()
  @IsIn(['reject', 'queue'])
  @OnlyFor('send')
  on_busy?: 'reject' | 'queue';

  @ApiPropertyOptional({
    enum: ['new_turn', 'in_turn'],
    enumName: 'SessionStreamDelivery',
    default: 'new_turn',
    description: 'For steer: end the live turn and start another one, or hand the prompt to the live one.',
  })
  @MayBeAbsent()
  @IsIn(['new_turn', 'in_turn'])
  @OnlyFor('steer')
  delivery?: 'new_turn' | 'in_turn';

  @ApiPropertyOptional({
    description: "What to run. Left out: the agent of the session's last turn, or `scripted` in a new session.",
  })
  @MayBeAbsent()
  @IsObject({ message: AGENT_SHAPE })
  @ValidateNested({ message: AGENT_SHAPE })
  @Type(() => SessionStreamAgent)
  @OnlyFor('send', 'steer')
  agent?: SessionStreamAgent;

  @ApiPropertyOptional({
    description:
      'Run it on the machine of the caller. The session must be new, or made this way by the same key: it is private to that key until it is shared.',
  })
  @MayBeAbsent()
  @IsObject({ message: LOCAL_SHAPE })
  @ValidateNested({ message: LOCAL_SHAPE })
  @Type(() => SessionStreamLocal)
  @OnlyFor('send', 'steer')
  local?: SessionStreamLocal;

  @ApiPropertyOptional({
    default: false,
    description: 'Begin a new conversation: the agent learns nothing of the turns before.',
  })
  @MayBeAbsent()
  @IsBoolean()
  @OnlyFor('send', 'steer')
  fresh_start?: boolean;

  @ApiPropertyOptional({
    default: false,
    description: 'True: answer with the state of the turn. Otherwise the answer is its events, until it ends.',
  })
  @MayBeAbsent()
  @IsBoolean()
  detached?: boolean;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: MAX_START_WITHIN_MS,
    default: DEFAULT_START_WITHIN_MS,
    description: 'Detached: how long to wait for somebody to run the turn before answering, in milliseconds.',
  })
  @MayBeAbsent()
  @IsInt()
  @Min(0)
  @Max(MAX_START_WITHIN_MS)
  @OnlyFor('send', 'steer')
  @OnlyDetached()
  start_within_ms?: number;

  @ApiPropertyOptional({
    enum: ['keep', 'withdraw'],
    enumName: 'SessionStreamIfNotStarted',
    default: 'keep',
    description: 'Detached: what becomes of a turn that nobody runs by then. Withdrawn: 503 `not_started`.',
  })
  @MayBeAbsent()
  @IsIn(['keep', 'withdraw'])
  @OnlyFor('send', 'steer')
  @OnlyDetached()
  if_not_started?: 'keep' | 'withdraw';
}

const INVOKE_MODES = ['send', 'queue', 'steer', 'cancel', 'attach'] as const;

export type InvokeMode = (typeof INVOKE_MODES)[number];

export class SessionStreamInvoked {
  @ApiProperty({
    enum: INVOKE_MODES,
    enumName: 'SessionStreamCommand',
    description: 'Which command the request was; `queue` for a prompt that had to wait.',
  })
  mode!: InvokeMode;

  @ApiProperty({ description: 'Session that the command was for.' })
  session_id!: string;

  @ApiProperty({ format: 'uuid', description: 'The turn that was made, asked to stop, or attached to.' })
  turn_id!: string;

  @ApiProperty({ enum: TURN_STATUSES, enumName: 'SessionTurnStatus', description: 'Status of the turn now.' })
  status!: TurnStatus;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Name of the caller as a watcher, for detach; null for one that does not watch.',
  })
  watcher_id!: string | null;

  @ApiProperty({ description: "Offset of the session's log from which on the events of the turn follow." })
  offset!: string;
}
