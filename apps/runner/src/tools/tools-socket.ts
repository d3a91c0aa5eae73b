import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { TurnTools } from './turn-tools.js';

/** Of one agent: each of its own sub-agents may start the server anew. */
const maxConnections = 8;
const greetingMs = 10_000;
const secretBytes = 32;

/** How an agent starts the server, as ACP's `mcpServers` say it. */
export interface ToolsServer {
  name: string;
  command: string;
  args: string[];
  env: { name: string; value: string }[];
}

/**
 * Where the agent of one turn reaches its tools: a socket in a folder that only this user may enter, which tools-bridge.ts
 * connects to. Who does not know the turn's secret is turned away: other agents of this machine are the same user.
 */
export class ToolsSocket {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly folder: string,
    private readonly listener: Server,
    private readonly secret: string,
    private readonly bridgePath: string,
    private readonly tools: TurnTools,
    private readonly log: Logger,
  ) {
    listener.on('connection', (socket) => this.greet(socket));
  }

  /** `bridgePath` is of tools-bridge.js. */
  static async open(bridgePath: string, tools: TurnTools, log: Logger): Promise<ToolsSocket> {
    // Not in the session's folder: the path of a socket has at most some 100 bytes.
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-tools-'));
    const listener = createServer();
    try {
      await new Promise<void>((resolve, reject) => {
        listener.once('error', reject);
        listener.listen(join(folder, 'socket'), resolve);
      });
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
    return new ToolsSocket(folder, listener, randomBytes(secretBytes).toString('hex'), bridgePath, tools, log);
  }

  get server(): ToolsServer {
    return {
      name: 'holdfast',
      command: process.execPath,
      args: [this.bridgePath, join(this.folder, 'socket')],
      env: [{ name: 'HOLDFAST_TOOLS_SECRET', value: this.secret }],
    };
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.listener.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  private greet(socket: Socket): void {
    socket.on('error', () => undefined).once('close', () => this.sockets.delete(socket));
    if (this.sockets.size >= maxConnections) {
      this.log.warn({ connections: maxConnections }, 'an agent opens more connections to its tools than it may');
      return void socket.destroy();
    }
    this.sockets.add(socket);
    const tooLate = setTimeout(() => socket.destroy(), greetingMs);
    socket.once('close', () => clearTimeout(tooLate));
    let said = Buffer.alloc(0);
    const hear = (chunk: Buffer) => {
      said = Buffer.concat([said, chunk]);
      const end = said.indexOf('\n');
      if (end === -1 && said.length <= this.secret.length) return;
      socket.off('data', hear).pause();
      clearTimeout(tooLate);
      if (end === -1 || !isSame(said.subarray(0, end).toString(), this.secret)) {
        this.log.warn('somebody who does not know the secret tried to use the tools of an agent');
        return void socket.destroy();
      }
      if (said.length > end + 1) socket.unshift(said.subarray(end + 1));
      void this.serve(socket);
    };
    socket.on('data', hear);
  }

  private async serve(socket: Socket): Promise<void> {
    try {
      // Only now: most runners start sooner without it.
      const { serveMcp } = await import('./mcp-tools.js');
      await serveMcp(socket, this.tools);
    } catch (error) {
      this.log.error({ err: error }, 'the tools of an agent could not be served');
      socket.destroy();
    }
  }
}

function isSame(said: string, secret: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(said), digest(secret));
}
