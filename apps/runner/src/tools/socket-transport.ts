import type { Socket } from 'node:net';
import { ReadBuffer, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';

/** Of one message: 20 prompts of the longest kind have some 5 MiB. */
const maxMessageBytes = 8 * 1024 * 1024;
/** Of answers that nobody reads. */
const maxUnreadBytes = 16 * 1024 * 1024;

const cancelled = 'notifications/cancelled';
/** How long an agent may take to say that it does not want an answer that was on its way to it. */
const crossingMs = 1_000;

/** What becomes of an answer that was written. */
export interface Delivery {
  taken(): void;
  /** The agent had given up waiting for it. */
  refused(): void;
}

/** MCP over one connection of an agent, a line a message. A line that is no message is passed over. */
export class SocketTransport implements Transport {
  onclose?: Transport['onclose'];
  onerror?: Transport['onerror'];
  onmessage?: Transport['onmessage'];

  private readonly lines = new ReadBuffer({ maxBufferSize: maxMessageBytes });
  /** Of answers that are still to be written, and of those that may have crossed a cancellation; by the request's id. */
  private readonly expected = new Map<RequestId, Delivery>();
  private readonly crossing = new Map<RequestId, { delivery: Delivery; timer: NodeJS.Timeout }>();

  constructor(private readonly socket: Socket) {}

  async start(): Promise<void> {
    this.socket.on('data', (chunk: Buffer) => this.take(chunk)).resume();
    this.socket.once('end', () => this.socket.destroy());
    this.socket.once('close', () => this.leave());
    if (this.socket.destroyed) this.leave();
  }

  /** `delivery` is told what becomes of the answer to that request; nothing where the connection is gone before. */
  expect(request: RequestId, delivery: Delivery): void {
    this.expected.set(request, delivery);
  }

  async send(message: JSONRPCMessage): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.socket.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()));
      if (this.socket.writableLength > maxUnreadBytes) this.socket.destroy();
    });
    if ('method' in message || message.id === undefined) return;
    const { id } = message;
    const delivery = this.expected.get(id);
    this.expected.delete(id);
    if (!delivery || this.socket.destroyed) return;
    const timer = setTimeout(() => this.settle(id)?.taken(), crossingMs);
    this.crossing.set(id, { delivery, timer });
  }

  async close(): Promise<void> {
    this.socket.destroy();
  }

  /** What an agent says after it had an answer shows that it has it. */
  private judge(message: JSONRPCMessage): void {
    const refused = 'method' in message && message.method === cancelled ? message.params?.['requestId'] : undefined;
    this.settle(refused as RequestId)?.refused();
    for (const id of [...this.crossing.keys()]) this.settle(id)?.taken();
  }

  private settle(id: RequestId): Delivery | undefined {
    const { delivery, timer } = this.crossing.get(id) ?? {};
    clearTimeout(timer);
    this.crossing.delete(id);
    return delivery;
  }

  private leave(): void {
    for (const id of [...this.crossing.keys()]) this.settle(id);
    this.onclose?.();
  }

  private take(chunk: Buffer): void {
    try {
      this.lines.append(chunk);
    } catch (error) {
      this.onerror?.(error as Error);
      this.socket.destroy();
      return;
    }
    while (this.takeLine());
  }

  /** False when there is no whole line. */
  private takeLine(): boolean {
    try {
      const message = this.lines.readMessage();
      if (!message) return false;
      this.judge(message);
      this.onmessage?.(message);
    } catch (error) {
      this.onerror?.(error as Error);
    }
    return true;
  }
}
