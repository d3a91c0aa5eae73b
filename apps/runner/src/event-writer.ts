import { Backoff } from './backoff.js';
import { ChangeSignal } from './change-signal.js';
import { ControlPlaneRefusal, ControlPlaneUnavailable } from './control-plane.js';
import { maxEventLevels, nestsDeeper, storableStart } from './storable.js';

const maxBatchEvents = 200;
const maxBatchBytes = 512 * 1024;
const maxEventBytes = 900 * 1024;
const maxBufferedBytes = 4 * 1024 * 1024;

interface Notice {
  code: string;
  message: string;
  /** Which kind of update it stands for. */
  update: string | null;
  bytes?: number;
}

/** Appends batch `seq` of a turn's events, each one JSON text. */
export type AppendBatch = (seq: number, events: readonly string[]) => Promise<void>;

/**
 * Writes one turn's events to its session's log, once and in order.
 *
 * While one batch is on its way the next one gathers. A batch whose answer was lost is sent again under its seq, for as
 * long as the turn is current. An event that the log does not take is a notice in its place. What arrives faster than the log takes it waits at `room`, which holds back the agent.
 */
export class EventWriter {
  private readonly queue: { text: string; bytes: number }[] = [];
  private readonly stopping = new AbortController();
  private seq = 0;
  private writtenCount = 0;
  private acknowledgedCount = 0;
  private bufferedBytes = 0;
  private sending = false;
  private readonly progress = new ChangeSignal();

  constructor(
    private readonly turnId: string,
    private readonly append: AppendBatch,
  ) {}

  /** Aborts when nothing more will be written; the reason is the error that ended it. */
  get ended(): AbortSignal {
    return this.stopping.signal;
  }

  write(type: 'agent.update' | 'agent.notice', data: unknown): void {
    if (this.ended.aborted) return;
    const event = this.encode(type, data);
    this.queue.push(event);
    this.writtenCount += 1;
    this.bufferedBytes += event.bytes;
    if (!this.sending) void this.send();
  }

  /** Resolves when more may be written; at once after the end, since then everything is dropped. */
  async room(): Promise<void> {
    while (this.bufferedBytes >= maxBufferedBytes && !this.ended.aborted) await this.progress.next();
  }

  /** Resolves when all that was written before this call is in the log; rejects when it will never be. */
  async flush(): Promise<void> {
    const target = this.writtenCount;
    while (this.acknowledgedCount < target) {
      this.ended.throwIfAborted();
      await this.progress.next();
    }
  }

  /** Writes nothing more, not even what is waiting. */
  stop(reason: Error): void {
    this.stopping.abort(reason);
    this.queue.length = 0;
    this.bufferedBytes = 0;
    this.progress.tell();
  }

  private encode(type: string, data: unknown): { text: string; bytes: number } {
    const kind = (data as { sessionUpdate?: unknown } | null)?.sessionUpdate;
    const update = typeof kind === 'string' ? storableStart(kind, 100) : null;
    // Before it is made JSON, which something very deep would make fail.
    if (nestsDeeper(data, maxEventLevels)) {
      return this.notice({
        code: 'event_too_deep',
        message: `An update nested more than ${maxEventLevels} levels deep was withheld.`,
        update,
      });
    }
    const text = this.envelope(type, data);
    const bytes = Buffer.byteLength(text);
    if (bytes <= maxEventBytes) return { text, bytes };
    return this.notice({
      code: 'event_too_large',
      message: `An update of ${bytes} bytes was withheld; the limit is ${maxEventBytes} bytes.`,
      bytes,
      update,
    });
  }

  private notice(data: Notice): { text: string; bytes: number } {
    const text = this.envelope('agent.notice', data);
    return { text, bytes: Buffer.byteLength(text) };
  }

  private envelope(type: string, data: unknown): string {
    return JSON.stringify({ type, at: new Date().toISOString(), turn_id: this.turnId, data });
  }

  private async send(): Promise<void> {
    this.sending = true;
    try {
      while (this.queue.length > 0 && !this.ended.aborted) {
        await this.sendBatch(this.takeBatch());
      }
    } catch (error) {
      if (!this.ended.aborted) this.stop(error as Error);
    } finally {
      this.sending = false;
    }
  }

  /** The log takes all of a batch or nothing: where it refuses, one event after the other. */
  private async sendBatch(batch: readonly { text: string; bytes: number }[]): Promise<void> {
    try {
      await this.deliver(batch.map((event) => event.text));
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      if (batch.length > 1) {
        for (const event of batch) await this.sendBatch([event]);
        return;
      }
      const { text } = this.notice({
        code: 'event_refused',
        message: storableStart(`The log did not take an update: ${error.message}`, 1_000),
        update: null,
      });
      await this.deliver([text]);
    }
    this.acknowledgedCount += batch.length;
    this.bufferedBytes -= batch.reduce((sum, event) => sum + event.bytes, 0);
    this.progress.tell();
  }

  private takeBatch(): { text: string; bytes: number }[] {
    let count = 0;
    let bytes = 0;
    for (const event of this.queue) {
      if (count > 0 && (count >= maxBatchEvents || bytes + event.bytes > maxBatchBytes)) break;
      count += 1;
      bytes += event.bytes;
    }
    return this.queue.splice(0, count);
  }

  private async deliver(events: readonly string[]): Promise<void> {
    const backoff = new Backoff();
    for (;;) {
      this.ended.throwIfAborted();
      try {
        await this.append(this.seq, events);
        this.ended.throwIfAborted();
        this.seq += 1;
        return;
      } catch (error) {
        if (!(error instanceof ControlPlaneUnavailable)) throw error;
        await backoff.wait(this.ended, error.retryAfterMs);
      }
    }
  }
}

/** Another event may be taken where this one was not. */
function isAboutContent(error: unknown): error is ControlPlaneRefusal {
  return error instanceof ControlPlaneRefusal && [400, 413].includes(error.status);
}
