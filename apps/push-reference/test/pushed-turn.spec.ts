import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { PushRequest } from '../src/push-request.js';
import { PushedTurn } from '../src/pushed-turn.js';

const golden = JSON.parse(
  readFileSync(path.resolve(__dirname, '../../../docs/reference/push-target.example.json'), 'utf8'),
) as { request: { body: PushRequest } };
const { turn_id, epoch } = golden.request.body;

interface Call {
  what: 'beat' | 'say' | 'raise' | 'resolve' | 'complete' | 'control';
  path: string;
  seq: string | undefined;
  body: Record<string, unknown>;
}
/** Undefined is the usual answer. */
type Answer = (call: Call, response: ServerResponse) => unknown;

/** As much of the api as a pushed turn sees. */
class FakeApi {
  readonly calls: Call[] = [];
  url = '';
  private readonly server: Server;
  private readonly followers = new Set<ServerResponse>();
  private readonly commands: object[] = [];
  private onFollow: (from: number) => unknown = () => undefined;

  constructor(private readonly answer: Answer = () => undefined) {
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  async listen(): Promise<this> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return this;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  of(what: Call['what']): Call[] {
    return this.calls.filter((call) => call.what === what);
  }

  get said(): string[] {
    return this.of('say').map(({ body, seq }) => {
      const [{ data }] = body as unknown as [{ data: { content: { text: string } } }];
      return `${seq} ${data.content.text}`;
    });
  }

  /** Puts a command into the control log; resolves when the service has read it and goes on reading. */
  async command(command: object): Promise<void> {
    this.commands.push({ epoch, ...command });
    const read = new Promise<void>((settle) => (this.onFollow = (from) => from === this.commands.length && settle()));
    for (const response of this.followers) this.tell(response, this.commands.length - 1);
    await read;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString() || '{}') as Call['body'];
    const { url = '', headers } = request;
    const call = {
      what: whatOf(url),
      path: url,
      seq: headers['producer-seq'] as string | undefined,
      body,
    };
    this.calls.push(call);
    const answer = await this.answer(call, response);
    if (response.headersSent || response.destroyed) return;
    if (call.what === 'control') return this.follow(url, response);
    const usual = call.what === 'beat' ? { turns: [{ is_current: true }], commands: [] } : { interaction_id: 'i-1' };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer ?? usual));
  }

  private follow(url: string, response: ServerResponse): void {
    const offset = new URL(url, this.url).searchParams.get('offset');
    const from = offset === '-1' ? 0 : Number(offset);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    this.control(response, from);
    this.onFollow(from);
    if (from < this.commands.length) return this.tell(response, from);
    this.followers.add(response);
    response.on('close', () => this.followers.delete(response));
  }

  /** Ends the connection after each command: the next one tells by its offset that it was read. */
  private tell(response: ServerResponse, at: number): void {
    response.write(`event: data\ndata: ${JSON.stringify([this.commands[at]])}\n\n`);
    this.control(response, at + 1);
    response.end();
  }

  private control(response: ServerResponse, next: number): void {
    const control = { streamNextOffset: String(next), streamCursor: '1', upToDate: true };
    response.write(`event: control\ndata: ${JSON.stringify(control)}\n\n`);
  }
}

function whatOf(url: string): Call['what'] {
  if (url.includes('/control')) return 'control';
  if (url.endsWith('/heartbeat')) return 'beat';
  if (url.endsWith('/complete')) return 'complete';
  if (url.endsWith('/resolve')) return 'resolve';
  return url.endsWith('/interactions') ? 'raise' : 'say';
}

const refuse = (response: ServerResponse, status: number, code: string) =>
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ type: '', title: code, status, code, detail: code, instance: '' }));

const allow = { type: 'answer', interaction_id: 'i-1', verdict: { decision: 'allow', message: null } };

describe('a pushed turn', () => {
  let api: FakeApi | undefined;
  afterEach(() => api?.close());

  async function start(prompt: string, answer?: Answer) {
    api = await new FakeApi(answer).listen();
    return { api, done: new PushedTurn(api.url, { ...golden.request.body, prompt }).run() };
  }

  it('beats before it says anything, and tells that it lives', async () => {
    const { done } = await start('hello');
    await done;
    expect(api!.calls.map(({ what }) => what).filter((what) => what !== 'control')).toEqual([
      'beat',
      'say',
      'complete',
    ]);
    expect(api!.of('beat')[0]!.body).toMatchObject({
      replica_id: turn_id,
      turns: [{ turn_id, epoch, status: 'running', sandbox_live: true }],
    });
    expect(api!.of('complete')[0]!.body).toMatchObject({ turn_id, epoch, status: 'completed' });
  });

  it('takes an answer that overtakes the response of the call that asked', async () => {
    const { done } = await start('ask me', async ({ what }) => {
      if (what === 'raise') await api!.command(allow);
    });
    await done;
    expect(api!.said).toEqual(['0 You said: ask me', '1 I went on.']);
    expect(api!.of('resolve')).toHaveLength(1);
  });

  it('ends cancelled when that comes while it asks', async () => {
    const { done } = await start('ask me', async ({ what }) => {
      if (what === 'raise') await api!.command({ type: 'cancel' });
    });
    await done;
    expect(api!.of('complete')[0]!.body).toMatchObject({ status: 'cancelled' });
  });

  it.each<[string, (response: ServerResponse) => unknown]>([
    ['fails with 503', (response) => refuse(response, 503, 'log_unavailable')],
    ['breaks off', (response) => response.destroy()],
  ])('sends again, as the same, what %s once', async (_, fail) => {
    const { done } = await start('ask me', async ({ what }, response) => {
      // The second time it goes through.
      if (what !== 'control' && api!.of(what).length === 1) fail(response);
      else if (what === 'raise') await api!.command(allow);
    });
    await done;
    const [first, again, ...more] = api!.of('say');
    expect(again).toEqual(first);
    expect(more.map(({ seq }) => seq)).toEqual(['1']);
    for (const what of ['raise', 'resolve', 'complete'] as const) {
      const [once, twice] = api!.of(what);
      expect([api!.of(what).length, twice]).toEqual([2, once]);
    }
    expect(api!.of('complete')[0]!.body).toMatchObject({ status: 'completed' });
  });

  it('sends nothing again that the api refuses', async () => {
    const { done } = await start('hello', ({ what }, response) => {
      if (what === 'complete') refuse(response, 403, 'stale_epoch');
    });
    await expect(done).rejects.toMatchObject({ code: 'stale_epoch' });
    expect(api!.of('complete')).toHaveLength(1);
  });

  it.each<[string, Answer]>([
    [
      'its control log is refused',
      ({ what }, response) => what === 'control' && refuse(response, 403, 'credential_scope'),
    ],
    ['it is killed', async ({ what }) => what === 'raise' && void api!.command({ type: 'kill' })],
  ])('is given up, and never completed, when %s', async (_, answer) => {
    const { done } = await start('ask me', async (call, response) => (await answer(call, response)) || undefined);
    await expect(done).rejects.toThrow(/credential_scope|killed/);
    expect(api!.of('complete')).toEqual([]);
  });

  it('is given up alone: a turn beside it goes on', async () => {
    const { done } = await start('ask me', ({ path }, response) => {
      if (path.includes('refused')) refuse(response, 403, 'credential_scope');
    });
    const refused = { ...golden.request.body, prompt: 'ask me', control_path: '/runners/refused/control' };
    await expect(new PushedTurn(api!.url, refused).run()).rejects.toMatchObject({ code: 'credential_scope' });
    void api!.command(allow);
    await done;
    expect(api!.of('complete')).toHaveLength(1);
  });
});
