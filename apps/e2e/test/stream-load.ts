import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from './stack.js';

/** Between two attempts while nobody answers. */
const PAUSE_MS = 20;

/** Messages of one append. */
const BATCH = 3;

/** What a message says: of which append it is, and which of its messages. */
interface Message {
  append: number;
  part: number;
}

/**
 * Appends to a stream of its own, one after the other, until stopped. As an idempotent producer it sends each until it is
 * acknowledged; otherwise each once.
 */
export class StreamWriter {
  readonly acknowledged: number[] = [];
  /** Statuses of answers that refused something. */
  readonly refusals = new Set<number>();
  /** Appends of which nobody knows whether they were written. */
  failures = 0;
  private isStopping = false;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly stack: Stack,
    readonly path: string,
    readonly isProducer: boolean,
  ) {}

  async start(): Promise<void> {
    const response = await this.send('PUT', { 'content-type': 'application/json' });
    if (response?.status !== 201) throw new Error(`${this.path} was not made`);
    this.running = this.write();
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.running;
  }

  /** What the stream holds, append by append; each must be whole. */
  async appends(): Promise<number[]> {
    const response = await this.send('GET', {});
    const messages = (await response!.json()) as Message[];
    const appends = messages.filter(({ part }) => part === 0).map(({ append }) => append);
    expect(messages).toEqual(appends.flatMap(messagesOf));
    return appends;
  }

  private async write(): Promise<void> {
    for (let append = 0; !this.isStopping; append++) {
      let isAcknowledged = await this.append(append);
      while (!isAcknowledged && this.isProducer) isAcknowledged = await this.appendLater(append);
      if (isAcknowledged) this.acknowledged.push(append);
      else await sleep(PAUSE_MS);
    }
  }

  private async appendLater(append: number): Promise<boolean> {
    await sleep(PAUSE_MS);
    return this.append(append);
  }

  private async append(append: number): Promise<boolean> {
    const headers = {
      'content-type': 'application/json',
      ...(this.isProducer && { 'producer-id': 'writer', 'producer-epoch': '0', 'producer-seq': String(append) }),
    };
    const response = await this.send('POST', headers, JSON.stringify(messagesOf(append)));
    if (response && !response.ok) this.refusals.add(response.status);
    if (!response?.ok) this.failures += 1;
    return response?.ok ?? false;
  }

  /** Undefined when there was no answer. */
  private async send(method: string, headers: Record<string, string>, body?: string): Promise<Response | undefined> {
    const { url, keys } = this.stack;
    try {
      return await fetch(`${url}/v1/stream/${this.path}`, {
        method,
        headers: { authorization: `Bearer ${keys.api_key}`, ...headers },
        body,
      });
    } catch {
      return undefined;
    }
  }
}

const messagesOf = (append: number): Message[] => Array.from({ length: BATCH }, (_, part) => ({ append, part }));
