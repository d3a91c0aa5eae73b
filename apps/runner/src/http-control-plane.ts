import {
  HoldfastClient,
  HoldfastError,
  type ConnectionState,
  type SessionInteraction,
  type SessionInteractionRaise,
  type SessionRunner,
  type SessionRunnerRegister,
  type SessionTurnBeats,
  type SessionTurnClaim,
  type SessionTurnComplete,
  type SessionTurnGrant,
} from '@holdfast/client';
import { Backoff } from './backoff.js';
import type { Contact } from './contact.js';
import {
  ControlPlaneRefusal,
  ControlPlaneUnavailable,
  StaleEpoch,
  type BeatAnswer,
  type ControlCommand,
  type ControlPlane,
  type LoggedCommand,
  type TurnKey,
} from './control-plane.js';
import { HttpNativeStore } from './native/http-native-store.js';
import type { NativeStore } from './native/native-store.js';
import { HttpTurnTree } from './tools/http-turn-tree.js';
import type { TurnTree } from './tools/turn-tree.js';
import { TurnClients } from './turn-clients.js';

const callTimeoutMs = 10_000;
/** Where a log begins, also one that is not known. */
const START = '-1';

/** The api over HTTP: under the runner's key to get and keep turns, under a turn's credential to write for it. */
export class HttpControlPlane implements ControlPlane {
  private readonly client: HoldfastClient;
  private readonly turns: TurnClients;
  private registration: SessionRunnerRegister | undefined;

  constructor(
    url: string,
    apiKey: string,
    private readonly contact: Contact,
  ) {
    this.client = new HoldfastClient({ url, apiKey });
    this.turns = new TurnClients(url);
  }

  async register(registration: SessionRunnerRegister): Promise<SessionRunner> {
    const terms = await this.call((init) =>
      this.client.runners.registerSessionRunner({ SessionRunnerRegister: registration }, init),
    );
    this.registration = registration;
    return terms;
  }

  async claim(claim: SessionTurnClaim, signal: AbortSignal): Promise<readonly SessionTurnGrant[]> {
    const limits = { timeoutMs: claim.wait_seconds * 1_000 + callTimeoutMs, signal };
    const { turns } = await this.registered(() =>
      this.call((init) => this.client.runners.claimSessionTurns({ SessionTurnClaim: claim }, init), limits),
    );
    for (const grant of turns) this.turns.granted(grant);
    return turns;
  }

  async heartbeat(beat: SessionTurnBeats, signal: AbortSignal): Promise<BeatAnswer> {
    const limits = { timeoutMs: callTimeoutMs, signal };
    const { turns, commands } = await this.registered(() =>
      this.call((init) => this.client.runners.beatSessionTurns({ SessionTurnBeats: beat }, init), limits),
    );
    this.turns.beaten(beat.turns, turns);
    return { turns, commands: commands as ControlCommand[] };
  }

  async complete(end: SessionTurnComplete): Promise<void> {
    await this.call((init) => this.turns.of(end).runners.completeSessionTurn({ SessionTurnComplete: end }, init));
    this.turns.forget(end);
  }

  async handOver(turn: TurnKey, reason: string): Promise<void> {
    const detach = { ...turn, reason };
    await this.call((init) => this.turns.of(turn).runners.detachSessionTurn({ SessionTurnDetach: detach }, init));
    this.turns.forget(turn);
  }

  async merge(turn: TurnKey, merged_turn_id: string): Promise<void> {
    const merge = { ...turn, merged_turn_id };
    await this.call((init) => this.turns.of(turn).runners.mergeSessionTurn({ SessionTurnMerge: merge }, init));
  }

  async raiseInteraction(question: SessionInteractionRaise): Promise<SessionInteraction> {
    return await this.call((init) =>
      this.turns.of(question).runners.raiseSessionInteraction({ SessionInteractionRaise: question }, init),
    );
  }

  async resolveInteraction(interaction_id: string, turn: TurnKey): Promise<void> {
    await this.call((init) =>
      this.turns.of(turn).runners.resolveSessionInteraction({ interaction_id, SessionInteractionResolve: turn }, init),
    );
  }

  async appendEvents(logPath: string, epoch: number, seq: number, events: readonly string[]): Promise<void> {
    await this.call((init) => this.turns.ofLog(logPath, epoch).appendEvents(logPath, { epoch, seq, events }, init));
  }

  native(turn: TurnKey): NativeStore {
    return new HttpNativeStore(
      turn,
      () => this.turns.of(turn),
      (send, limits) => this.call(send, limits),
    );
  }

  tree(turn: TurnKey): TurnTree {
    return new HttpTurnTree(
      () => this.turns.of(turn),
      (send, limits) => this.call(send, limits),
    );
  }

  async *followControl(controlPath: string, offset: string, signal: AbortSignal): AsyncIterable<LoggedCommand> {
    const backoff = new Backoff();
    const onConnection = (state: ConnectionState) => {
      if (state.status === 'reconnecting') return this.contact.lost((state.error as Error).message);
      this.contact.held();
      backoff.reset();
    };
    let position = offset;
    while (!signal.aborted) {
      try {
        const options = { offset: position, signal, onConnection };
        for await (const { event, offset: next } of this.client.followLog<ControlCommand>(controlPath, options)) {
          position = next;
          yield { command: event, offset: next };
        }
      } catch (error) {
        // Its replica was forgotten meanwhile, with the log: what the new one has is all news.
        if (position !== START && isOfAnotherLog(error)) {
          position = START;
          continue;
        }
        // A refusal: a runner that is deaf from now on would be worse than one that asks again.
        this.contact.lost((error as Error).message);
        await backoff.wait(signal);
      }
    }
  }

  /** The api forgets a replica that has been silent for long, as when it was cut off: it is made known again, once. */
  private async registered<Answer>(attempt: () => Promise<Answer>): Promise<Answer> {
    try {
      return await attempt();
    } catch (error) {
      const isForgotten = error instanceof ControlPlaneRefusal && error.code === 'replica_unknown';
      if (!isForgotten || !this.registration) throw error;
      await this.register(this.registration);
      return await attempt();
    }
  }

  /** Gives the call a deadline, and its failure the meaning it has for the runner. */
  private async call<Answer>(
    send: (init: { signal: AbortSignal }) => Promise<Answer>,
    limits: { timeoutMs: number; signal?: AbortSignal } = { timeoutMs: callTimeoutMs },
  ): Promise<Answer> {
    const deadline = new AbortController();
    const abort = () => deadline.abort(limits.signal?.reason);
    const timer = setTimeout(() => deadline.abort(new Error(`no answer in ${limits.timeoutMs} ms`)), limits.timeoutMs);
    limits.signal?.addEventListener('abort', abort, { once: true });
    if (limits.signal?.aborted) abort();
    try {
      const answer = await send({ signal: deadline.signal });
      this.contact.held();
      return answer;
    } catch (error) {
      const told = meaningOf(error as Error);
      if (!(told instanceof ControlPlaneUnavailable)) this.contact.held();
      else if (!isStop(limits.signal)) this.contact.lost(told.message);
      throw told;
    } finally {
      clearTimeout(timer);
      limits.signal?.removeEventListener('abort', abort);
    }
  }
}

function meaningOf(error: Error): StaleEpoch | ControlPlaneRefusal | ControlPlaneUnavailable {
  if (error instanceof ControlPlaneRefusal) return error;
  if (!(error instanceof HoldfastError)) return new ControlPlaneUnavailable(error.message, 0, { cause: error });
  const { status, code, detail, retryAfterMs } = error;
  const isRefusal = status >= 400 && status < 500 && status !== 408 && status !== 429;
  if (!isRefusal) return new ControlPlaneUnavailable(`${code} (${status}): ${detail}`, retryAfterMs);
  return code === 'stale_epoch' ? new StaleEpoch(detail) : new ControlPlaneRefusal(status, code, detail);
}

/** The log at this path is not the one that the offset is of. */
function isOfAnotherLog(error: unknown): boolean {
  return error instanceof HoldfastError && ['offset_gone', 'offset_beyond_tail'].includes(error.code);
}

/** An abort by its caller says nothing about the api; a caller's timeout does. */
function isStop(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && (signal.reason as Error)?.name !== 'TimeoutError';
}
