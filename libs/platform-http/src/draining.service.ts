import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import {
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/** How often connections that have become free are closed while the last requests finish. */
const SWEEP_MS = 50;

/** When requests that will not end are cut, so that a shutdown ends. */
const DEADLINE_MS = 10_000;

/**
 * Lets a process go without cutting anybody off: it stops being ready, ends the responses that would never end by
 * themselves, lets the others finish, and closes.
 */
@Injectable()
export class Draining
  implements OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown
{
  private readonly closers = new Set<() => void>();
  private readonly requests = new Map<Socket, number>();
  private draining = false;
  private sweep?: NodeJS.Timeout;
  private deadline?: NodeJS.Timeout;

  constructor(private readonly host: HttpAdapterHost) {}

  get isDraining(): boolean {
    return this.draining;
  }

  /**
   * Registers a response that stays open (an event stream, a long-poll): `close` is called once, when the process goes,
   * and must end it soon. Call what this returns when the response is over. While draining, `close` is called at once.
   */
  add(close: () => void): () => void {
    if (this.draining) {
      close();
      return () => undefined;
    }
    this.closers.add(close);
    return () => this.closers.delete(close);
  }

  /** Responses that are open now. */
  get openCount(): number {
    return this.closers.size;
  }

  /** Counts the requests of each connection: Node takes one that never sent any for busy, and would wait for it. */
  onApplicationBootstrap(): void {
    const server = this.server;
    server.on('connection', (socket: Socket) => {
      this.requests.set(socket, 0);
      socket.once('close', () => this.requests.delete(socket));
    });
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      const count = (change: number) => this.requests.set(socket, (this.requests.get(socket) ?? 0) + change);
      count(1);
      response.once('close', () => !socket.destroyed && count(-1));
    });
  }

  /** Before any part of the app begins to finish what it has in hand: those may take their time. */
  onModuleDestroy(): void {
    this.draining = true;
  }

  beforeApplicationShutdown(): void {
    const closers = [...this.closers];
    this.closers.clear();
    for (const close of closers) close();

    this.sweep = setInterval(() => this.closeFreeConnections(), SWEEP_MS).unref();
    this.deadline = setTimeout(() => this.server.closeAllConnections(), DEADLINE_MS).unref();
  }

  private closeFreeConnections(): void {
    for (const [socket, requests] of this.requests) if (requests === 0) socket.destroy();
  }

  private get server(): Server {
    return this.host.httpAdapter.getHttpServer() as Server;
  }

  onApplicationShutdown(): void {
    clearInterval(this.sweep);
    clearTimeout(this.deadline);
  }
}
