import { createHash, randomUUID } from 'node:crypto';
import type {
  SessionInteractionDecision as Decision,
  SessionInteractionOptionKind,
  SessionInteractionRequest,
} from '@holdfast/client';
import type { Logger } from 'pino';
import type { PermissionAnswer, PermissionOutcome, PermissionRequest } from './driven-agent.js';
import { untilAvailable } from './backoff.js';
import { ControlPlaneRefusal, type ControlPlane, type TurnKey } from './control-plane.js';
import type { EventWriter } from './event-writer.js';
import { isStorableName, isStorableValue, storableStart } from './storable.js';
import type { TurnClock } from './turn-clock.js';

/** ACP option kinds that carry a decision out, best first. An agent need not offer all of them. */
const kindsFor: Record<Decision, readonly string[]> = {
  allow: ['allow_once', 'allow_always'],
  allow_always: ['allow_always', 'allow_once'],
  deny: ['reject_once', 'reject_always'],
};

/** The api takes tokens of 256 characters, names of 1024, and questions of 256 KiB. */
const maxCallIdLength = 128;
const maxNameLength = 1_024;
const maxToolCallBytes = 200 * 1024;

/** Puts one agent's permission requests to people, and their answers to the agent. No answer is never a yes. */
export class PermissionDesk {
  /** An agent asks anew after a restart, under the same tool call ids. */
  private readonly generation = randomUUID();
  private readonly waiting = new Map<string, (decision: Decision | 'cancelled') => void>();
  /** Answers that overtook the response of the call that raised their question. */
  private readonly early = new Map<string, Decision>();
  private readonly resolving: Promise<void>[] = [];
  private asked = 0;
  private isClosed = false;

  constructor(
    private readonly turn: TurnKey,
    private readonly plane: ControlPlane,
    private readonly writer: EventWriter,
    private readonly clock: TurnClock,
    private readonly lost: AbortSignal,
    private readonly log: Logger,
  ) {}

  async ask(request: PermissionRequest, withdrawn: AbortSignal): Promise<PermissionAnswer> {
    const token = `${this.generation}:${shortened(request.toolCall.toolCallId)}:${this.asked++}`;
    try {
      // So that the question follows its tool call in the log.
      await this.writer.flush();
      const interactionId = await this.raise(token, request);
      const decision = await this.decision(interactionId, withdrawn);
      return {
        outcome: outcomeOf(decision, request),
        onDelivered: () => {
          if (decision !== 'cancelled') this.resolving.push(this.resolve(interactionId));
        },
      };
    } catch (error) {
      if (error instanceof ControlPlaneRefusal) {
        this.writer.write('agent.notice', {
          code: 'question_refused',
          message: `The agent asked for a permission that could not be put to anybody: ${error.message}`,
        });
      }
      return { outcome: { outcome: 'cancelled' }, onDelivered: () => undefined };
    }
  }

  answer(interactionId: string, decision: Decision): void {
    const settle = this.waiting.get(interactionId);
    if (settle) settle(decision);
    else this.early.set(interactionId, decision);
  }

  /** Answers all open requests, and those still to come, with `cancelled`. */
  close(): void {
    this.isClosed = true;
    for (const settle of this.waiting.values()) settle('cancelled');
  }

  /** Resolves when the api knows of every answer that the agent took. */
  async settled(): Promise<void> {
    await Promise.all(this.resolving);
  }

  private async raise(token: string, request: PermissionRequest): Promise<string> {
    const question: SessionInteractionRequest = {
      tool_call: withinLimit(request.toolCall),
      options: request.options.map(({ optionId, name, kind }) => ({
        option_id: optionId,
        name: storableStart(name, maxNameLength),
        // A kind that ACP does not have is the api's to refuse.
        kind: kind as SessionInteractionOptionKind,
      })),
    };
    const { interaction_id } = await untilAvailable(
      () => this.plane.raiseInteraction({ ...this.turn, token, kind: 'user_approval', request: question }),
      this.lost,
    );
    return interaction_id;
  }

  private async decision(interactionId: string, withdrawn: AbortSignal): Promise<Decision | 'cancelled'> {
    const early = this.early.get(interactionId);
    this.early.delete(interactionId);
    if (this.isClosed || withdrawn.aborted) return 'cancelled';
    if (early) return early;
    this.clock.pause();
    try {
      return await new Promise((settle) => {
        this.waiting.set(interactionId, settle);
        withdrawn.addEventListener('abort', () => settle('cancelled'), { once: true });
      });
    } finally {
      this.clock.resume();
      this.waiting.delete(interactionId);
    }
  }

  private async resolve(interactionId: string): Promise<void> {
    try {
      await untilAvailable(() => this.plane.resolveInteraction(interactionId, this.turn), this.lost);
    } catch (error) {
      this.log.debug({ interactionId, err: error }, 'the answer was taken, but this could not be recorded');
    }
  }
}

/** The option of the request that says so; none where it has no such option. */
export function outcomeOf(decision: Decision | 'cancelled', request: PermissionRequest): PermissionOutcome {
  if (decision === 'cancelled') return { outcome: 'cancelled' };
  for (const kind of kindsFor[decision]) {
    const option = request.options.find((candidate) => candidate.kind === kind);
    if (option) return { outcome: 'selected', optionId: option.optionId };
  }
  return { outcome: 'cancelled' };
}

function shortened(toolCallId: string): string {
  if (toolCallId.length <= maxCallIdLength && isStorableName(toolCallId)) return toolCallId;
  return createHash('sha256').update(toolCallId).digest('hex');
}

/** The whole tool call stands in the log before the question; whoever answers still learns what it is about. */
function withinLimit(toolCall: PermissionRequest['toolCall']): Record<string, unknown> {
  if (isStorableValue(toolCall, maxToolCallBytes)) return toolCall;
  const told = ['toolCallId', 'title', 'kind', 'status'].flatMap((field) => {
    const text = toolCall[field];
    return typeof text === 'string' ? [[field, storableStart(text, maxNameLength)]] : [];
  });
  const why = isStorableValue(toolCall, Infinity) ? 'too_large' : 'unstorable';
  return { ...Object.fromEntries(told), _meta: { holdfast_withheld: why } };
}
