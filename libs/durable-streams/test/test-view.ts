import type { LogKey, LogViewer, SseFrame, ViewEnd, ViewerSink } from '../src/index.js';

interface Control {
  streamNextOffset: string;
  upToDate?: boolean;
  streamClosed?: boolean;
}

/** One viewer of a log, with what it was shown. */
export class TestView implements ViewerSink {
  /** JSON values, or pieces of text as they came. */
  readonly seen: unknown[] = [];
  readonly controls: Control[] = [];
  readonly comments: string[] = [];
  /** Rejects where the log could not be followed. */
  readonly ended: Promise<ViewEnd>;
  private readonly leaving = new AbortController();
  private isTaking = true;
  private waiting = false;
  private onDrained: (isDrained: boolean) => void = () => undefined;

  constructor(viewer: LogViewer, key: LogKey, offset: string) {
    const view = { cursor: undefined, lifetimeMs: 120_000, signal: this.leaving.signal };
    this.ended = viewer.follow(key, offset, view, () => this);
    this.ended.catch(() => undefined);
  }

  get isUpToDate(): boolean {
    return this.controls.at(-1)?.upToDate === true;
  }

  leave(): void {
    this.leaving.abort();
    this.onDrained(false);
  }

  /** From now on it is full after each frame. */
  stopTaking(): void {
    this.isTaking = false;
  }

  /** Whether it was left alone until it has taken what it was sent. */
  get isLeftAlone(): boolean {
    return this.waiting;
  }

  goOnTaking(): void {
    this.isTaking = true;
    this.onDrained(true);
  }

  /** As when the time to take something is over. */
  stall(): void {
    this.onDrained(false);
  }

  write(frame: SseFrame): boolean {
    for (const event of frame.bytes.toString().split('\n\n').slice(0, -1)) this.take(event.split('\n'));
    return this.isTaking;
  }

  drained(): Promise<boolean> {
    if (this.isTaking) return Promise.resolve(true);
    this.waiting = true;
    return new Promise<boolean>((resolve) => (this.onDrained = resolve)).finally(() => (this.waiting = false));
  }

  private take([first, ...lines]: string[]): void {
    const data = lines.map((line) => line.replace(/^data: ?/, '')).join('\n');
    if (first === 'event: control') this.controls.push(JSON.parse(data) as Control);
    else if (first!.startsWith(':')) this.comments.push(first!);
    else if (data.startsWith('[')) this.seen.push(...(JSON.parse(data) as unknown[]));
    else this.seen.push(data);
  }
}
