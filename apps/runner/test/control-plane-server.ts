import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ControlPlaneRefusal, ControlPlaneUnavailable, StaleEpoch, type TurnKey } from '../src/control-plane.js';
import { credentialOf, type MemoryControlPlane } from './memory-control-plane.js';

export interface Received {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** The api's wire in front of a MemoryControlPlane. */
export class ControlPlaneServer {
  readonly received: Received[] = [];
  /** Answers instead of the plane where it returns true. */
  intercept: (request: Received, response: ServerResponse) => boolean = () => false;
  port = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly plane: MemoryControlPlane) {
    this.server = createServer((request, response) => void this.serve(request, response));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  static async start(plane: MemoryControlPlane): Promise<ControlPlaneServer> {
    const server = new ControlPlaneServer(plane);
    await server.listen(0);
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resets every connection, and takes new ones at once. */
  dropConnections(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.dropConnections();
    await closed;
  }

  private async serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const request: Received = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      body: Buffer.concat(chunks).toString(),
    };
    this.received.push(request);
    try {
      if (this.intercept(request, response)) return;
      if (request.path.startsWith('/control')) return await this.serveControl(request, response);
      const answer = request.path.startsWith(NATIVE) ? takeSave(request) : await this.answer(request, response);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answer ?? null));
    } catch (error) {
      const [status, code] = problemOf(error);
      response.writeHead(status, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ status, code, title: code, detail: String((error as Error).message) }));
    }
  }

  private async answer(request: Received, response: ServerResponse): Promise<unknown> {
    const body = JSON.parse(request.body);
    if (!request.path.startsWith(TASKS)) demandCredential(request, body);
    const [, interactionId] = /interactions\/([^/]+)\/resolve$/.exec(request.path) ?? [];
    if (interactionId) return await this.plane.resolveInteraction(interactionId, body);
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const { headers, path } = request;
    switch (path) {
      case '/v1/admin/sessions/streams/register':
        return await this.plane.register(body);
      case '/v1/admin/sessions/streams/claim':
        return { turns: await this.plane.claim(body, gone.signal) };
      case '/v1/admin/sessions/streams/heartbeat':
        return await this.plane.heartbeat(body);
      case '/v1/admin/sessions/streams/detach':
        return await this.plane.handOver(body, body.reason);
      case '/v1/admin/sessions/streams/merge':
        return await this.plane.merge(body, body.merged_turn_id);
      case '/v1/admin/sessions/streams/complete':
        return await this.plane.complete(body);
      case `${TASKS}/run`:
        return {
          agents: await this.plane.tree(this.turnOf(request)).runAgents(body.agents, keyIn(request), gone.signal),
        };
      case `${TASKS}/messages`:
        return await this.plane.tree(this.turnOf(request)).sendMessage(body, keyIn(request), gone.signal);
      case `${TASKS}/messages/wait`: {
        const tree = this.plane.tree(this.turnOf(request));
        return { messages: await tree.waitForMessages(body.timeout_seconds, gone.signal) };
      }
      case `${TASKS}/messages/delivered`:
        return await this.plane.tree(this.turnOf(request)).delivered(body.message_ids);
      case '/v1/admin/sessions/interactions':
        return await this.plane.raiseInteraction(body);
      default: {
        const events = (body as unknown[]).map((event) => JSON.stringify(event));
        const [epoch, seq] = [Number(headers['producer-epoch']), Number(headers['producer-seq'])];
        return await this.plane.appendEvents(path, epoch, seq, events);
      }
    }
  }

  /** The credential alone says whose tree it is. */
  private turnOf({ headers }: Received): TurnKey {
    const [, turn_id = '', epoch] = /^Bearer hf_turn_([0-9a-f-]{36})_(\d+)/.exec(headers.authorization ?? '') ?? [];
    return { session_id: this.plane.grantOf({ turn_id }).session_id, turn_id, epoch: Number(epoch) };
  }

  /** The read side of Durable Streams, as far as a follower of one JSON stream sees it. */
  private async serveControl(request: Received, response: ServerResponse): Promise<void> {
    const query = new URL(request.path, this.url).searchParams;
    const from = query.get('offset') === '-1' ? 0 : Number(query.get('offset'));
    if (query.get('live') === null) {
      const headers = {
        'content-type': 'application/json',
        'stream-next-offset': `${from}`,
        'stream-up-to-date': 'true',
      };
      response.writeHead(200, headers).end('[]');
      return;
    }
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const tell = (next: number) => {
      const control = { streamNextOffset: `${next}`, streamCursor: '1', upToDate: true };
      response.write(`event: control\ndata: ${JSON.stringify(control)}\n\n`);
    };
    tell(from);
    for await (const { command, offset } of this.plane.followControl('', from === 0 ? '-1' : `${from}`, gone.signal)) {
      response.write(`event: data\ndata: ${JSON.stringify([command])}\n\n`);
      tell(Number(offset));
    }
  }
}

const NATIVE = '/v1/admin/sessions/transcripts/native';
const TASKS = '/v1/admin/sessions/tasks';

function keyIn({ headers }: Received): string {
  const key = headers['idempotency-key'];
  if (typeof key === 'string' && key !== '') return key;
  throw new ControlPlaneRefusal(400, 'request_invalid', 'Idempotency-Key');
}

/** Takes what is saved of conversations, and keeps none of it. */
function takeSave({ method, path }: Received): object {
  const names = { conversation_id: randomUUID(), branch_id: randomUUID() };
  if (method === 'POST' && path === NATIVE) return { ...names, save_id: randomUUID(), base_version: null, files: [] };
  if (method === 'PUT') return {};
  if (path.endsWith('/finish')) return { ...names, version: 1, created_at: new Date() };
  throw new ControlPlaneRefusal(404, 'resume_state_missing', 'Nothing is saved.');
}

const OF_RUNNERS = /\/(register|claim|heartbeat)$/;

/** A runner's key gets and keeps turns; whatever is written for one takes the credential of that attempt. */
function demandCredential({ path, headers }: Received, body: TurnKey | readonly { turn_id: string }[]): void {
  const epoch = Number(headers['producer-epoch']);
  const attempt = 'epoch' in body ? body : { turn_id: body[0]?.turn_id ?? '', epoch };
  const expected = OF_RUNNERS.test(path) ? 'hf_runner_' : credentialOf(attempt);
  const { authorization = '' } = headers;
  if (!authorization.startsWith(`Bearer ${expected}`)) throw new ControlPlaneRefusal(403, 'credential_scope', expected);
}

function problemOf(error: unknown): [number, string] {
  if (error instanceof StaleEpoch) return [403, 'stale_epoch'];
  if (error instanceof ControlPlaneRefusal) return [error.status, error.code];
  if (error instanceof ControlPlaneUnavailable) return [503, 'unavailable'];
  throw error;
}
