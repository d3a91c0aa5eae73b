import type { ServerResponse } from 'node:http';
import type { SseFrame, ViewerSink } from '@holdfast/durable-streams';
import { writeHead } from '@holdfast/platform-http';
import { drained } from './drained.js';

/** What may wait to be taken by one viewer before it is sent nothing more. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** How long the last words to a viewer that is dropped may take. */
const FAREWELL_MS = 1_000;

/** A response that becomes a stream of Server-Sent Events once `start` is called. */
export class EventStream {
  private isStarted = false;

  constructor(private readonly response: ServerResponse) {}

  get started(): boolean {
    return this.isStarted;
  }

  start(streamHeaders: Record<string, string>): ViewerSink {
    this.isStarted = true;
    writeHead(this.response, 200, {
      ...streamHeaders,
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
    this.response.flushHeaders();
    return { write: (frame) => this.write(frame), drained: (milliseconds) => this.drained(milliseconds) };
  }

  /** Straight to the socket: a frame that many viewers share is framed once, not by each response. */
  private write(frame: SseFrame): boolean {
    const { socket, chunkedEncoding, destroyed } = this.response;
    if (!socket || socket.destroyed || destroyed) return false;
    socket.write(chunkedEncoding ? frame.chunked : frame.bytes);
    return socket.writableLength < MAX_WAITING_BYTES;
  }

  private drained(milliseconds: number): Promise<boolean> {
    const { socket } = this.response;
    if (!socket) return Promise.resolve(false);
    return socket.writableLength === 0 ? Promise.resolve(!socket.destroyed) : drained(socket, milliseconds);
  }

  end(): void {
    if (this.isStarted) this.response.end();
  }

  /** For a viewer that takes nothing: an orderly end would wait for it. */
  drop(): void {
    this.response.end();
    const timer = setTimeout(() => this.response.destroy(), FAREWELL_MS).unref();
    this.response.once('finish', () => clearTimeout(timer));
  }

  /** For a failure in the middle: the viewer goes on from the last offset it was given. */
  cut(): void {
    this.response.destroy();
  }
}
