import { createPublicKey, randomUUID, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import {
  LogLifecycle,
  LogReader,
  LogService,
  pageBytes,
  SigningKeys,
  SubscriptionDeliveries,
  SubscriptionsService,
  SubscriptionWaker,
  SubscriptionWakes,
  type LogCreate,
  type LogKey,
  type LogSubscriptionCreate,
  type SigningJwk,
} from '../src/index.js';
import { startEngine } from './engine.js';

// Webhooks that fail say so.
Logger.overrideLogger(false);

const never = new AbortController().signal;

/** Kills the process that uses it: from one of its transactions on, nothing of it happens any more. */
export class MortalUnitOfWork extends UnitOfWork {
  private transactionsLeft = Infinity;
  private isLastCommitted = false;

  /** The last transaction is the one after `transactions` more; it is committed without anybody hearing of it, or not. */
  dieAfter(transactions: number, isLastCommitted: boolean): void {
    this.transactionsLeft = transactions;
    this.isLastCommitted = isLastCommitted;
  }

  override async run<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    this.transactionsLeft -= 1;
    if (this.transactionsLeft >= 0) return super.run(work);
    if (this.transactionsLeft === -1 && this.isLastCommitted) await super.run(work);
    throw new Error('this process is dead');
  }

  override async query<Row>(text: string, values?: unknown[]): Promise<Row[]> {
    if (this.transactionsLeft < 0) throw new Error('this process is dead');
    return super.query<Row>(text, values);
  }
}

/** One process with the log and its subscriptions, on a database of its own or on one that another process has too. */
export async function startProcess({ url }: { url?: string } = {}) {
  const config = { cacheBytes: 0, allowLoopbackWebhooks: true };
  const engine = await startEngine({ url, config, unitOfWorkOf: (of) => new MortalUnitOfWork(of) });
  const { app, unitOfWork, signals } = engine;
  const lifecycle = app.get(LogLifecycle);
  const log = app.get(LogService);
  const reader = app.get(LogReader);
  const subscriptions = app.get(SubscriptionsService);
  const waker = app.get(SubscriptionWaker);
  const deliveries = app.get(SubscriptionDeliveries);

  return {
    url: engine.url,
    unitOfWork,
    signals,
    lifecycle,
    log,
    subscriptions,
    waker,
    deliveries,
    wakes: app.get(SubscriptionWakes),
    keys: app.get(SigningKeys),

    async make(key: LogKey, create: Partial<LogCreate> = {}): Promise<void> {
      await lifecycle.create({
        content_type: 'application/json',
        closed: false,
        body: Buffer.alloc(0),
        ...create,
        ...key,
      });
    },

    async append(key: LogKey, ...messages: object[]): Promise<void> {
      const texts = (messages.length ? messages : [{}]).map((message) => Buffer.from(JSON.stringify(message)));
      const outcome = await log.append({ ...key, messages: texts });
      if (outcome.kind === 'refused') throw outcome.error;
    },

    async tail(key: LogKey): Promise<number> {
      return (await reader.head(key)).tail;
    },

    async read(key: LogKey): Promise<Record<string, unknown>[]> {
      const head = await reader.head(key);
      const messages: Record<string, unknown>[] = [];
      for (let at = head.first; at < head.tail;) {
        const page = await reader.page(head, at);
        messages.push(...(JSON.parse(`[${pageBytes(page).toString()}]`) as Record<string, unknown>[]));
        at = page.next;
      }
      return messages;
    },

    /** A pull-wake subscription with a wake stream, or what `create` says. */
    async subscribe(project_id: string, create: Partial<LogSubscriptionCreate> = {}) {
      const key = { project_id, subscription_id: `s-${randomUUID()}` };
      const wake_stream = `wake/${key.subscription_id}`;
      const type = create.webhook ? ('webhook' as const) : ('pull-wake' as const);
      if (type === 'pull-wake') await this.make({ project_id, path: wake_stream });
      const made: LogSubscriptionCreate = { type, pattern: 'events/*', wake_stream, ...create };
      await subscriptions.create(key, made, 'http://api.test');
      return { ...key, wake_stream: { project_id, path: made.wake_stream! } };
    },

    /** What a worker does in one round, and the webhook calls of it to their end. */
    async round(): Promise<void> {
      await waker.run(never);
      await deliveries.run(never, () => undefined);
      await deliveries.settled();
    },

    /** Every retry is due, and every lease has run out. */
    async letTimePass(): Promise<void> {
      await unitOfWork.query(`UPDATE log_subscriptions SET due_at = now() WHERE due_at IS NOT NULL`);
    },

    /** So that a test sees only what is its own. */
    async clear(): Promise<void> {
      await unitOfWork.query(`TRUNCATE log_subscriptions, log_subscription_links`);
      await unitOfWork.query(
        `UPDATE log_streams SET wake_due = false, subscribed = false WHERE wake_due OR subscribed`,
      );
    },

    async row(key: { project_id: string; subscription_id: string }): Promise<SubscriptionRow> {
      const row = await unitOfWork.queryOne<SubscriptionRow>(
        `SELECT generation, phase, wake_id, holder, attempts, last_error, due_at,
                extract(epoch FROM due_at - now())::float8 * 1000 AS due_in_ms
           FROM log_subscriptions WHERE project_id = $1 AND id = $2`,
        [key.project_id, key.subscription_id],
      );
      return row!;
    },

    /** Positions up to which the streams of a subscription were acknowledged. */
    async acked(key: { project_id: string; subscription_id: string }): Promise<Record<string, number>> {
      const rows = await unitOfWork.query<{ path: string; acked: number }>(
        `SELECT l.path, l.acked FROM log_subscription_links l
           JOIN log_subscriptions s ON s.project_id = l.project_id AND s.number = l.subscription
          WHERE s.project_id = $1 AND s.id = $2`,
        [key.project_id, key.subscription_id],
      );
      return Object.fromEntries(rows.map(({ path, acked }) => [path, acked]));
    },

    async stop(): Promise<void> {
      await deliveries.settled();
      await engine.stop();
    },
  };
}

export type Process = Awaited<ReturnType<typeof startProcess>>;

export interface SubscriptionRow {
  generation: number;
  phase: string;
  wake_id: string | null;
  holder: string | null;
  attempts: number;
  last_error: string | null;
  due_at: Date | null;
  due_in_ms: number | null;
}

export const project = () => randomUUID();
export const stream = (project_id: string, path: string): LogKey => ({ project_id, path });

/** The body of a webhook call. */
export interface WakeCall {
  subscription_id: string;
  wake_id: string;
  generation: number;
  streams: { path: string; link_type: string; acked_offset: string; tail_offset: string; has_pending: boolean }[];
  callback_url: string;
  callback_token: string;
}

export interface ReceivedCall {
  body: WakeCall;
  raw: Buffer;
  signature: string;
  headers: IncomingMessage['headers'];
}

type Answer = (call: ReceivedCall, response: ServerResponse) => unknown;

export const sayDone: Answer = (_call, response) => response.end('{"done":true}');
export const sayNothing: Answer = (_call, response) => response.end('{}');
export const fail: Answer = (_call, response) => response.writeHead(503).end();

/** A webhook on this machine. `answer` may be changed at any time. */
export async function startReceiver(answer: Answer = sayDone) {
  const calls: ReceivedCall[] = [];
  const receiver = { answer, calls, url: '', stop };
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const raw = Buffer.concat(chunks);
      const call = {
        body: JSON.parse(raw.toString()) as WakeCall,
        raw,
        signature: String(request.headers['webhook-signature']),
        headers: request.headers,
      };
      calls.push(call);
      await receiver.answer(call, response);
    })().catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;

  async function stop() {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
  return receiver;
}

export type Receiver = Awaited<ReturnType<typeof startReceiver>>;

/** What a receiver does with the header (Durable Streams, section 7.1). */
export function isSignedBy(jwk: SigningJwk, { raw, signature }: Pick<ReceivedCall, 'raw' | 'signature'>): boolean {
  const [, timestamp, kid, value] = /^t=(\d+),kid=([^,]+),ed25519=([A-Za-z0-9_-]+)$/.exec(signature)!;
  const key = createPublicKey({ key: { ...jwk }, format: 'jwk' });
  const signed = Buffer.concat([Buffer.from(`${timestamp}.`), raw]);
  return kid === jwk.kid && verify(null, signed, key, Buffer.from(value!, 'base64url'));
}

export const pending = ({ streams }: Pick<WakeCall, 'streams'>) =>
  streams.filter(({ has_pending }) => has_pending).map(({ path }) => path);

/** Acknowledges everything that a call or a claim tells of. */
export const allOf = ({ wake_id, generation, streams }: Pick<WakeCall, 'wake_id' | 'generation' | 'streams'>) => ({
  wake_id,
  generation,
  acks: streams.map(({ path, tail_offset }) => ({ stream: path, offset: tail_offset })),
});
