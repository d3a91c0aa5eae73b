import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';

/** Where this api is reached, for the URLs that it gives away. */
export class PublicUrl {
  private readonly configured: string | undefined;

  constructor(configured: string | undefined) {
    this.configured = configured?.replace(/\/+$/, '');
  }

  /** Without a slash at the end: as configured, else the scheme and host by which the caller reached it. */
  baseFor({ headers, socket }: IncomingMessage): string {
    if (this.configured !== undefined) return this.configured;
    const scheme = (socket as TLSSocket).encrypted ? 'https' : 'http';
    return `${scheme}://${headers.host ?? `${socket.localAddress}:${socket.localPort}`}`;
  }
}
