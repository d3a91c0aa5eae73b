import {
  HoldfastClient,
  HoldfastError,
  type ConnectionState,
  type SessionInteraction,
  type SessionInteractionRaise,
  type SessionRunner,
  type SessionRunnerRegister,
  type SessionTurnBeatAnswer,
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
  type ControlCommand,
  type ControlPlane,
  type TurnKey,
} from './control-plane.js';

const callTimeoutMs = 10_000;

/** The api over HTTP, under a runner's key. */
export class HttpControlPlane implements ControlPlane {
  private readonly client: HoldfastClient;

  constructor(
    url: string,
    apiKey: string,
    private readonly contact: Contact,
  ) {
    this.client = new HoldfastClient({ url, apiKey });
  }

  async register(registration: SessionRunnerRegister): Promise<SessionRunner> {
    return await this.call((init) =>
      this.client.runners.registerSessionRunner({ SessionRunnerRegister: registration }, init),
    );
  }

  async claim(claim: SessionTurnClaim, signal: AbortSignal): Promise<readonly SessionTurnGrant[]> {
    const { turns } = await this.call(
      (init) => this.client.runners.claimSessionTurns({ SessionTurnClaim: claim }, init),
      { timeoutMs: claim.wait_seconds * 1_000 + callTimeoutMs, signal },
    );
    return turns;
  }

  async heartbeat(beat: SessionTurnBeats, signal: AbortSignal): Promise<readonly SessionTurnBeatAnswer[]> {
    const { turns } = await this.call(
      (init) => this.client.runners.beatSessionTurns({ SessionTurnBeats: beat }, init),
      { timeoutMs: callTimeoutMs, signal },
    );
    return turns;
  }

  async complete(end: SessionTurnComplete): Promise<void> {
    await this.call((init) => this.client.runners.completeSessionTurn({ SessionTurnComplete: end }, init));
  }

  async raiseInteraction(question: SessionInteractionRaise): Promise<SessionInteraction> {
    return await this.call((init) =>
      this.client.runners.raiseSessionInteraction({ SessionInteractionRaise: question }, init),
    );
  }

  async resolveInteraction(interaction_id: string, turn: TurnKey): Promise<void> {
    await this.call((init) =>
      this.client.runners.resolveSessionInteraction({ interaction_id, SessionInteractionResolve: turn }, init),
    );
  }

  async appendEvents(logPath: string, epoch: number, seq: number, events: readonly string[]): Promise<void> {
    await this.call((init) => this.client.appendEvents(logPath, { epoch, seq, events }, init));
  }

  async *followControl(controlPath: string, offset: string, signal: AbortSignal): AsyncIterable<ControlCommand> {
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
        for await (const command of this.client.followLog<ControlCommand>(controlPath, options)) {
          position = command.offset;
          yield command.event;
        }
      } catch (error) {
        // A refusal: a runner that is deaf from now on would be worse than one that asks again.
        this.contact.lost((error as Error).message);
        await backoff.wait(signal);
      }
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
  if (!(error instanceof HoldfastError)) return new ControlPlaneUnavailable(error.message, 0, { cause: error });
  const { status, code, detail, retryAfterMs } = error;
  const isRefusal = status >= 400 && status < 500 && status !== 408 && status !== 429;
  if (!isRefusal) return new ControlPlaneUnavailable(`${code} (${status}): ${detail}`, retryAfterMs);
  return code === 'stale_epoch' ? new StaleEpoch(detail) : new ControlPlaneRefusal(status, code, detail);
}

/** An abort by its caller says nothing about the api; a caller's timeout does. */
function isStop(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && (signal.reason as Error)?.name !== 'TimeoutError';
}
