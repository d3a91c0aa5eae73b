import { Injectable, Logger } from '@nestjs/common';
import { isDomainError } from '@holdfast/platform-errors';
import { OutboundAddressRefused } from '@holdfast/platform-outbound';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { LogService } from '../append/log.service.js';
import { isJson, type LogHead, type LogKey } from '../log-head.js';
import { LogRepository } from '../log.repository.js';
import { LinkedStreamsRepository, type AckedStream } from './linked-streams.repository.js';
import { SigningKeys } from './signing-keys.js';
import { SUBSCRIPTIONS_PATH, type LinkedStream, type Subscription } from './subscription.js';
import { isPending, streamState, SubscriptionWakes } from './subscription-wakes.js';
import { WebhookUrlRejected } from './subscriptions.errors.js';
import { SubscriptionsRepository } from './subscriptions.repository.js';
import { announced, announcementFailed, attempt, delivered, deliveryFailed, rest } from './wake.rules.js';
import { WebhookClient, WebhookDeadlinePassed, type WebhookAnswer } from './webhook-client.js';

/** Webhooks that one process calls at a time. */
const MAX_CALLS = 64;
/** Of those, of one project: what a slow receiver of one may take from the others. */
const MAX_CALLS_OF_PROJECT = 16;

/** `accepted`: to be finished by a callback. `lost`: sent, but what came of it could not be noted. */
export type CallOutcome = 'done' | 'accepted' | 'failed' | 'lost';

/** A wake that is to be sent to its webhook, and what it tells. */
interface Delivery {
  subscription: Subscription;
  streams: LinkedStream[];
}

/**
 * Tells workers of wakes: calls webhooks, writes events to wake streams; and ends leases that ran out. What is due is a
 * row, taken and changed in one transaction each; a webhook is called outside of any, under the lease that its row says.
 * Wherever the process dies, the row falls due again.
 */
@Injectable()
export class SubscriptionDeliveries {
  private readonly logger = new Logger('SubscriptionDeliveries');
  private readonly calls = new Map<Promise<void>, string>();

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly repository: SubscriptionsRepository,
    private readonly streams: LinkedStreamsRepository,
    private readonly wakes: SubscriptionWakes,
    private readonly log: LogService,
    private readonly logs: LogRepository,
    private readonly keys: SigningKeys,
    private readonly client: WebhookClient,
  ) {}

  /** Deals with all that is due. Webhook calls go on when it resolves; `onCalled` is told as each ends. */
  async run(stopping: AbortSignal, onCalled: (outcome: CallOutcome) => void): Promise<void> {
    const passed: number[] = [];
    while (!stopping.aborted) {
      const taken = await this.take(passed);
      if (!taken) return;
      // One that fails, or is due again at once, is for the next round.
      passed.push(taken.subscription.number);
      if (taken.streams) this.call({ ...taken, streams: taken.streams }, onCalled);
    }
  }

  /** Resolves when no webhook is being called any more. */
  async settled(): Promise<void> {
    await Promise.all(this.calls.keys());
  }

  /** Takes one subscription that is due through its next step. With `streams` when its webhook is to be called. */
  async take(passed: number[] = []): Promise<{ subscription: Subscription; streams?: LinkedStream[] } | undefined> {
    let locked: Subscription | undefined;
    try {
      return await this.unitOfWork.run(async (tx) => {
        locked = await this.repository.lockDue(tx, {
          passed,
          busyProjects: this.busyProjects(),
          callable: this.calls.size < MAX_CALLS,
        });
        return locked && this.step(tx, locked);
      });
    } catch (error) {
      if (!locked) throw error;
      this.logger.error({ event: 'subscription.step_failed', subscription: locked.id, err: error });
      return { subscription: locked };
    }
  }

  private async step(
    tx: Transaction,
    subscription: Subscription,
  ): Promise<{ subscription: Subscription; streams?: LinkedStream[] }> {
    if (subscription.phase === 'held') {
      await this.wakes.end(tx, subscription);
      return { subscription };
    }
    if (subscription.type === 'pull-wake') {
      await this.announce(tx, subscription);
      return { subscription };
    }
    const streams = await this.streams.snapshot(tx, subscription);
    if (!streams.some(isPending)) {
      await this.repository.save(tx, subscription, rest(subscription));
      return { subscription };
    }
    const attempted = attempt(subscription, subscription.lease_ttl_ms);
    await this.repository.save(tx, subscription, attempted);
    return { subscription: { ...subscription, ...attempted }, streams };
  }

  /** The wake event of the protocol's section 7.2, in the transaction that notes it as written. */
  private async announce(tx: Transaction, subscription: Subscription): Promise<void> {
    const { project_id, id, generation } = subscription;
    const stream = await this.streams.somePending(tx, subscription);
    if (stream === undefined) {
      await this.repository.save(tx, subscription, rest(subscription));
      return;
    }
    const key = { project_id, path: subscription.wake_stream! };
    const fault = faultOf(key, await this.logs.headWithin(tx, key));
    if (fault) {
      await this.repository.save(tx, subscription, announcementFailed(subscription, fault));
      return;
    }
    const event = { type: 'wake', subscription_id: id, stream, generation, ts: Date.now() };
    await this.repository.save(tx, subscription, announced(subscription));
    this.log.appendWithin(tx, { ...key, messages: [Buffer.from(JSON.stringify(event))] });
  }

  private call(delivery: Delivery, onCalled: (outcome: CallOutcome) => void): void {
    const call = this.deliver(delivery)
      .catch((error: unknown): CallOutcome => {
        // The lease runs out, and it is sent again.
        this.logger.error({ event: 'subscription.call_lost', subscription: delivery.subscription.id, err: error });
        return 'lost';
      })
      .then((outcome) => {
        this.calls.delete(call);
        onCalled(outcome);
      });
    this.calls.set(call, delivery.subscription.project_id);
  }

  /** Calls the webhook and takes note of what came of it. */
  private async deliver(delivery: Delivery): Promise<CallOutcome> {
    const { subscription } = delivery;
    const result = await this.post(delivery).catch((error: unknown) => reasonOf(error));
    if (typeof result === 'string') {
      await this.conclude(subscription, async (tx, current) => {
        // A receiver that called back has it, whatever became of the call.
        if (current.attempts > 0) await this.repository.save(tx, current, deliveryFailed(current, result));
      });
      return 'failed';
    }
    const isDone = saysDone(result);
    await this.conclude(subscription, async (tx, current) => {
      if (!isDone) return this.repository.save(tx, current, delivered(current));
      await this.streams.advance(tx, current, delivery.streams.flatMap(ackedAtTail));
      await this.wakes.end(tx, { ...current, ...delivered(current) });
    });
    return isDone ? 'done' : 'accepted';
  }

  /** The answer of a receiver that took it, or why it counts as failed. */
  private async post({ subscription, streams }: Delivery): Promise<WebhookAnswer | string> {
    const { id, base_url, wake_id, generation } = subscription;
    const body = Buffer.from(
      JSON.stringify({
        subscription_id: id,
        wake_id,
        generation,
        streams: streams.map(streamState),
        callback_url: `${base_url}${SUBSCRIPTIONS_PATH}/subscriptions/${encodeURIComponent(id)}/callback`,
        callback_token: await this.wakes.tokenOf(subscription),
      }),
    );
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': 'Holdfast',
      'webhook-signature': await this.keys.signatureOf(body),
    };
    const answer = await this.client.post(subscription.webhook_url!, headers, body);
    return answer.status >= 200 && answer.status < 300 ? answer : `the receiver answered ${answer.status}`;
  }

  /** Only for the wake that was sent, and while its receiver has said nothing that ended it. */
  private async conclude(
    { project_id, id, number, generation, wake_id }: Subscription,
    work: (tx: Transaction, current: Subscription) => Promise<unknown>,
  ): Promise<void> {
    await this.unitOfWork.run(async (tx) => {
      const current = await this.repository.lock(tx, { project_id, subscription_id: id });
      const isCurrent = current?.number === number && current.generation === generation && current.wake_id === wake_id;
      if (isCurrent) await work(tx, current);
    });
  }

  private busyProjects(): string[] {
    const counts = new Map<string, number>();
    for (const project_id of this.calls.values()) counts.set(project_id, (counts.get(project_id) ?? 0) + 1);
    return [...counts].flatMap(([project_id, count]) => (count >= MAX_CALLS_OF_PROJECT ? [project_id] : []));
  }
}

/** Why no wake event can be written there. */
function faultOf({ path }: LogKey, head: LogHead | undefined): string | undefined {
  if (head?.state !== 'live') return `there is no stream "${path}"`;
  if (head.closed) return `stream "${path}" is closed`;
  return isJson(head) ? undefined : `stream "${path}" does not hold JSON`;
}

const ackedAtTail = ({ log_id, tail }: LinkedStream): AckedStream[] =>
  log_id === null ? [] : [{ log_id, acked: tail }];

/** Whether the receiver finished the work at once. */
function saysDone({ body }: WebhookAnswer): boolean {
  try {
    return (JSON.parse(body ?? '') as { done?: unknown } | null)?.done === true;
  } catch {
    return false;
  }
}

/** For the owner of the subscription to read. */
function reasonOf(error: unknown): string {
  const isOurs =
    error instanceof WebhookDeadlinePassed ||
    error instanceof OutboundAddressRefused ||
    isDomainError(error, WebhookUrlRejected.code);
  if (isOurs) return error.message;
  return `the call failed (${(error as { code?: string }).code ?? 'unknown reason'})`;
}
