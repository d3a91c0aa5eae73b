import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { Signals } from '@holdfast/platform-signals';
import { WAKES_CHANNEL } from '../live/log-hub.js';
import { isOffsetOf, offsetAt, parseOffset, ZERO_OFFSET } from '../offsets/log-offset.js';
import type { SubscriptionAck, SubscriptionClaim, SubscriptionStreamState } from './dto/subscription-wake.dto.js';
import { LinkedStreamsRepository, type AckedStream } from './linked-streams.repository.js';
import type { LinkedStream, Subscription, SubscriptionKey } from './subscription.js';
import {
  AckRefused,
  NoPendingWork,
  SubscriptionInvalid,
  SubscriptionNotFound,
  WakeAlreadyClaimed,
  WakeFenced,
  WakeTokenInvalid,
} from './subscriptions.errors.js';
import { SubscriptionsRepository } from './subscriptions.repository.js';
import { WakeTokens } from './wake-tokens.js';
import { hold, rest, startWake } from './wake.rules.js';

/** What a worker says about the wake it works for. */
export interface WakeReport {
  wake_id: string;
  generation: number;
}

/** What a worker may do about a wake. One row, locked, says which wake is the present one. */
@Injectable()
export class SubscriptionWakes {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly repository: SubscriptionsRepository,
    private readonly streams: LinkedStreamsRepository,
    private readonly tokens: WakeTokens,
    private readonly signals: Signals,
  ) {}

  /**
   * Gives a pull-wake subscription's work to one worker, under a lease. Also when no wake was announced yet, or the lease
   * of the last one has run out. Errors: subscription_not_found, subscription_invalid (of another type),
   * wake_already_claimed, no_pending_work.
   */
  async claim(key: SubscriptionKey, worker: string): Promise<SubscriptionClaim> {
    const claimed = await this.unitOfWork.run(async (tx) => {
      const subscription = await this.lock(tx, key);
      requireType(subscription, 'pull-wake');
      const isHeld = subscription.phase === 'held' && !subscription.is_due;
      if (isHeld) throw WakeAlreadyClaimed({ holder: subscription.holder!, generation: subscription.generation });
      const streams = await this.streams.snapshot(tx, subscription);
      if (!streams.some(isPending)) throw NoPendingWork();

      const wake = subscription.phase === 'waking' ? subscription : startWake(subscription);
      const held = hold(wake, subscription.lease_ttl_ms, worker);
      await this.repository.save(tx, subscription, held);
      return { subscription: { ...subscription, ...held }, streams };
    });
    const { wake_id, generation, lease_ttl_ms } = claimed.subscription;
    return {
      wake_id: wake_id!,
      generation,
      token: await this.tokenOf(claimed.subscription),
      streams: claimed.streams.map(streamState),
      lease_ttl_ms,
    };
  }

  /**
   * Acknowledges, and extends the lease or, with `done`, ends the wake; of pull-wake by `ack`, of a webhook by
   * `callback`. All acknowledgements count or none. Errors: wake_token_invalid, subscription_not_found,
   * subscription_invalid (of another type), wake_fenced, ack_refused.
   */
  async ack(
    subscription_id: string,
    token: string,
    type: Subscription['type'],
    ack: SubscriptionAck,
  ): Promise<{ next_wake: boolean }> {
    return this.reported(subscription_id, token, type, ack, async (tx, subscription) => {
      await this.advance(tx, subscription, ack.acks ?? []);
      if (ack.done) return { next_wake: await this.end(tx, subscription) };
      await this.repository.save(tx, subscription, hold(subscription, subscription.lease_ttl_ms, subscription.holder));
      return { next_wake: false };
    });
  }

  /** Gives the work back, of pull-wake. Errors as `ack`. */
  async release(subscription_id: string, token: string, report: WakeReport): Promise<void> {
    await this.reported(subscription_id, token, 'pull-wake', report, (tx, subscription) => this.end(tx, subscription));
  }

  /** Ends the present wake of a locked subscription; begins the next where work is left. Whether it did. */
  async end(tx: Transaction, subscription: Subscription): Promise<boolean> {
    const isNext = (await this.streams.somePending(tx, subscription)) !== undefined;
    await this.repository.save(tx, subscription, isNext ? startWake(subscription) : rest(subscription));
    if (isNext) tx.afterCommit(() => this.signals.publish(WAKES_CHANNEL, ''));
    return isNext;
  }

  tokenOf({
    project_id,
    number,
    generation,
  }: Pick<Subscription, 'project_id' | 'number' | 'generation'>): Promise<string> {
    return this.tokens.issue({ project_id, subscription: number, generation });
  }

  /** Lets `work` through only for the present wake, with the subscription locked. */
  private async reported<T>(
    subscription_id: string,
    text: string,
    type: Subscription['type'],
    { wake_id, generation }: WakeReport,
    work: (tx: Transaction, subscription: Subscription) => Promise<T>,
  ): Promise<T> {
    const token = await this.tokens.verify(text);
    return this.unitOfWork.run(async (tx) => {
      const subscription = await this.lock(tx, { project_id: token.project_id, subscription_id });
      if (subscription.number !== token.subscription) throw WakeTokenInvalid();
      requireType(subscription, type);
      const isCurrent =
        token.generation === subscription.generation &&
        generation === subscription.generation &&
        wake_id === subscription.wake_id;
      if (!isCurrent) throw WakeFenced({ generation: subscription.generation });
      return work(tx, subscription);
    });
  }

  private async lock(tx: Transaction, key: SubscriptionKey): Promise<Subscription> {
    const subscription = await this.repository.lock(tx, key);
    if (!subscription) throw SubscriptionNotFound(key);
    return subscription;
  }

  private async advance(
    tx: Transaction,
    subscription: Subscription,
    acks: { stream: string; offset: string }[],
  ): Promise<void> {
    if (!acks.length) return;
    const paths = acks.map(({ stream }) => stream);
    const linked = new Map((await this.streams.named(tx, subscription, paths)).map((stream) => [stream.path, stream]));
    const furthest = new Map<string, AckedStream>();
    for (const { stream, offset } of acks) {
      const acked = judgeAck(stream, offset, linked.get(stream));
      if (acked.acked >= (furthest.get(stream)?.acked ?? 0)) furthest.set(stream, acked);
    }
    await this.streams.advance(tx, subscription, [...furthest.values()]);
  }
}

function requireType({ type }: Subscription, expected: Subscription['type']): void {
  if (type !== expected) throw SubscriptionInvalid({ reason: `This is for subscriptions of type "${expected}".` });
}

/** Errors: ack_refused, offset_malformed. */
function judgeAck(stream: string, offset: string, linked: LinkedStream | undefined): AckedStream {
  const refuse = (reason: string) => AckRefused({ stream, reason });
  if (!linked) throw refuse('is of no stream of this subscription');
  const at = parseOffset(offset);
  if (linked.log_id === null || !isOffsetOf(linked, at)) throw refuse('is of a stream that is gone');
  const { position } = at;
  if (position < linked.acked) throw refuse('lies before what was acknowledged already');
  if (position > linked.tail) throw refuse('lies beyond the end of the stream');
  return { log_id: linked.log_id, acked: position };
}

export const isPending = ({ log_id, acked, tail }: LinkedStream): boolean => log_id !== null && tail > acked;

/** As it is told to a worker. */
export function streamState(stream: LinkedStream): SubscriptionStreamState {
  return {
    path: stream.path,
    link_type: stream.link_type,
    acked_offset: offsetOf(stream, stream.acked),
    tail_offset: offsetOf(stream, stream.tail),
    has_pending: isPending(stream),
  };
}

/** A stream that does not exist is read from its start. */
export function offsetOf(stream: LinkedStream, position: number): string {
  return stream.log_id === null ? ZERO_OFFSET : offsetAt(stream, position);
}
