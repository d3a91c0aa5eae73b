import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastClient, type SessionInteractionVerdict, type SessionTurnComplete } from '@holdfast/client';
import type { PushRequest } from './push-request.js';
import { retried, type Call } from './retried.js';

/** A message of the turn's control log that this service understands. It may come twice. */
type Command =
  | { type: 'cancel' | 'kill'; epoch: number }
  | { type: 'answer'; epoch: number; interaction_id: string; verdict: SessionInteractionVerdict };

/** How a turn ends. */
type End = Pick<SessionTurnComplete, 'status' | 'stop_reason' | 'error'>;

const failed = (error: Error): End => ({
  status: 'failed',
  error: { code: 'service_failed', message: error.message },
});

/** One attempt of a turn, from the moment that this service has accepted it. */
export class PushedTurn {
  private readonly client: HoldfastClient;
  private readonly key: { session_id: string; turn_id: string; epoch: number };
  private readonly lost = new AbortController();
  private readonly cancelled = new AbortController();
  /** By question. An answer may overtake the response of the call that asked. */
  private readonly verdicts = new Map<string, SessionInteractionVerdict>();
  private readonly news = new EventEmitter();
  private credential: string;
  private batches = 0;

  constructor(
    apiUrl: string,
    private readonly request: PushRequest,
  ) {
    const { session_id, turn_id, epoch, credential } = request;
    this.key = { session_id, turn_id, epoch };
    this.credential = credential;
    this.client = new HoldfastClient({ url: apiUrl, apiKey: () => this.credential });
  }

  /**
   * Runs to its end, or until the turn is no longer this service's, or cannot be kept: then its lease runs out, and it
   * is tried again. Throws what the api refused.
   */
  async run(): Promise<void> {
    // Nothing may be asked of people before the turn runs.
    if (!(await this.send((init) => this.isCurrent(init)))) return;
    // A service that cannot beat or hear must not go on.
    const duties = [this.beat(), this.listen()].map((duty) => duty.catch((error) => this.lost.abort(error)));
    try {
      const end = await this.work().catch(failed);
      this.lost.signal.throwIfAborted();
      await this.complete(end);
    } finally {
      this.lost.abort();
      await Promise.all(duties);
    }
  }

  /** What a real service does with a model. This one says what it was told, and asks when it is told to. */
  private async work(): Promise<End> {
    await this.say(`You said: ${this.request.prompt}`);
    if (this.request.prompt.startsWith('ask')) {
      const verdict = await this.ask('Go on?');
      if (!verdict) return { status: 'cancelled', stop_reason: 'cancelled' };
      await this.say(verdict.decision === 'allow' ? 'I went on.' : 'I did not go on.');
    }
    return { status: 'completed', stop_reason: 'end_turn' };
  }

  private async say(text: string): Promise<void> {
    const data = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } };
    const { epoch, turn_id } = this.key;
    const event = { type: 'agent.update', at: new Date().toISOString(), turn_id, data };
    const batch = { epoch, seq: this.batches++, events: [JSON.stringify(event)] };
    await this.send((init) => this.client.appendEvents(this.request.log_path, batch, init));
  }

  /** What somebody answered, however long that takes; undefined when the turn is cancelled or lost first. */
  private async ask(title: string): Promise<SessionInteractionVerdict | undefined> {
    const options = [
      { option_id: 'yes', name: 'Yes', kind: 'allow_once' as const },
      { option_id: 'no', name: 'No', kind: 'reject_once' as const },
    ];
    const question = {
      ...this.key,
      token: randomUUID(),
      kind: 'user_approval' as const,
      request: { tool_call: { title }, options },
    };
    const { runners } = this.client;
    const { interaction_id } = await this.send((init) =>
      runners.raiseSessionInteraction({ SessionInteractionRaise: question }, init),
    );
    const verdict = await this.verdictOn(interaction_id);
    if (verdict) {
      const resolved = { interaction_id, SessionInteractionResolve: this.key };
      await this.send((init) => runners.resolveSessionInteraction(resolved, init));
    }
    return verdict;
  }

  private async verdictOn(interaction_id: string): Promise<SessionInteractionVerdict | undefined> {
    const over = AbortSignal.any([this.lost.signal, this.cancelled.signal]);
    while (!this.verdicts.has(interaction_id) && !over.aborted) {
      await once(this.news, 'verdict', { signal: over }).catch(() => undefined);
    }
    return over.aborted ? undefined : this.verdicts.get(interaction_id);
  }

  private async complete(end: End): Promise<void> {
    const complete = { SessionTurnComplete: { ...this.key, ...end } };
    await this.send((init) => this.client.runners.completeSessionTurn(complete, init));
  }

  /** Keeps the lease. A service that cannot, or has lost the turn, stops: somebody else may have it. */
  private async beat(): Promise<void> {
    const { beat_seconds, lease_seconds } = this.request;
    const { signal } = this.lost;
    let kept = performance.now();
    while (!signal.aborted) {
      await delay(beat_seconds * 1000, undefined, { signal }).catch(() => undefined);
      const sent = performance.now();
      const timeout = AbortSignal.timeout(beat_seconds * 1000);
      const isCurrent = await this.isCurrent({ signal: AbortSignal.any([signal, timeout]) }).catch(() => undefined);
      if (isCurrent) kept = sent;
      if (isCurrent === false) throw new Error('the turn has another owner, or none');
      if (performance.now() - kept > (lease_seconds * 1000 * 2) / 3) throw new Error('the lease could not be kept');
    }
  }

  private async isCurrent(init: { signal: AbortSignal }): Promise<boolean> {
    const beat = { ...this.key, status: 'running' as const, sandbox_live: true };
    const { turns } = await this.client.runners.beatSessionTurns(
      { SessionTurnBeats: { replica_id: this.key.turn_id, turns: [beat] } },
      init,
    );
    this.credential = turns[0]?.credential ?? this.credential;
    return turns[0]?.is_current === true;
  }

  private async listen(): Promise<void> {
    const { signal } = this.lost;
    for await (const { event } of this.client.followLog<Command>(this.request.control_path, { signal })) {
      // What was meant for an earlier attempt is in the same log.
      if (event.epoch !== this.key.epoch) continue;
      if (event.type === 'kill') throw new Error('the turn was killed');
      if (event.type === 'cancel') this.cancelled.abort();
      if (event.type === 'answer') {
        this.verdicts.set(event.interaction_id, event.verdict);
        this.news.emit('verdict');
      }
    }
  }

  /** All that this service sends may be sent again: the api does it once. */
  private async send<T>(call: Call<T>): Promise<T> {
    return await retried(call, this.lost.signal);
  }
}
