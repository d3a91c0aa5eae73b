const offsetAt = (position: number) => `${'0'.repeat(15)}1_${String(position).padStart(16, '0')}`;
const positionOf = (offset: string) => (offset === '-1' ? 0 : Number(offset.slice(-16)));

type Json = Record<string, unknown>;

interface OpenWatch {
  send: (text: string) => void;
  cut: (error?: Error) => void;
  logs: Set<string>;
}

/** The URL of the played api. */
export const URL_OF_API = 'http://played.test';
export const HOST = '0191d6a0-0000-7000-8000-000000000001';
export const SHARE = '0191d6a0-0000-7000-8000-00000000005a';
export const idOf = (n: number) => `0191d6a0-0000-7000-8000-${String(n).padStart(12, '0')}`;

export const taskOf = (task_id: string, parent_task_id: string | null, more: Json = {}): Json => ({
  task_id,
  parent_task_id,
  root_task_id: HOST,
  depth: parent_task_id === null ? 0 : 1,
  spawn_order: 1,
  spawn_path: [],
  name: 'Agent',
  title: null,
  prompt: null,
  location: 'remote',
  state: 'in_progress',
  waiting: false,
  error: null,
  session_id: null,
  agent: null,
  harness: null,
  source: 'orchestration',
  children_count: 0,
  created_at: '2026-01-01T00:00:00.000Z',
  started_at: null,
  ended_at: null,
  updated_at: '2026-01-01T00:00:01.000Z',
  created_by_id: null,
  ...more,
});

/** An api with one shared session, as far as viewers ask it, of which the test decides what it says. */
export class PlayedApi {
  /** `POST /v1/…`, in the order of coming. */
  readonly requests: { name: string; body: Json; credential: string }[] = [];
  readonly logs = new Map<string, Json[]>([['host', []]]);
  tasks: Json[] = [];
  names: Record<string, string> = {};
  /** Changes what a join answers. */
  joined: Json = {};
  /** What the list says of the log to follow; null where there is none. */
  activity: Json | null = null;
  /** Thrown, or answered, in place of the regular answer; by the name of a request. */
  refusals = new Map<string, () => Response>();
  private readonly watches = new Set<OpenWatch>();

  count(name: string): number {
    return this.requests.filter((request) => request.name === name).length;
  }

  /** Names of all requests so far. */
  asked(): string[] {
    return this.requests.map(({ name }) => name);
  }

  append(log: string, type: string, data: Json = {}, more: Json = {}): void {
    const event = { type, at: '2026-01-01T00:00:05.000Z', turn_id: null, data, ...more };
    const events = this.logs.get(log) ?? [];
    this.logs.set(log, [...events, event]);
    for (const watch of this.watches) if (watch.logs.has(log)) watch.send(this.frame(log, events.length));
  }

  /** Tells of a task as the activity log does. */
  tell(type: string, task: Json): void {
    this.append(`task ${HOST}`, type, { task }, { task_id: task['task_id'] });
  }

  /** Ends all connections as a crash does. */
  cut(): void {
    for (const watch of [...this.watches]) watch.cut(new Error('cut'));
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const url = new URL(String(input instanceof Request ? input.url : input));
    const name = `${init?.method ?? 'GET'} ${url.pathname}`;
    const body = typeof init?.body === 'string' && init.body ? (JSON.parse(init.body) as Json) : {};
    const credential = new Headers(init?.headers).get('authorization')!.replace('Bearer ', '');
    this.requests.push({ name, body, credential });
    const refusal = this.refusals.get(name);
    if (refusal) return refusal();
    switch (name) {
      case 'POST /v1/sessions/participants/join':
        return answer(this.join(body));
      case 'POST /v1/sessions/tasks/query':
        return answer({ data: this.tasks, next_cursor: null, activity: this.activity });
      case 'POST /v1/sessions/tasks/names':
        return answer({
          data: (body['task_ids'] as string[]).flatMap((task_id) =>
            this.names[task_id] ? [{ task_id, name: this.names[task_id] }] : [],
          ),
        });
      case 'POST /v1/sessions/streams/watch':
        return this.watch(body, init?.signal);
      case 'POST /v1/sessions/participants/leave':
      case 'PATCH /v1/sessions/participants/self':
        return answer({ ...PARTICIPANT, session_id: null });
      default:
        if (!name.startsWith('GET /v1/stream/sessions/')) throw new Error(`nobody plays ${name}`);
        return this.page(url);
    }
  };

  private join({ session_id }: Json): Json {
    const session = (session_id as string | undefined) ?? 'host';
    return {
      session: { session_id: session, name: null, created_at: '2026-01-01T00:00:00.000Z' },
      participant_id: PARTICIPANT.participant_id,
      participant_token: 'hf_view_a_b',
      role: 'reader',
      share: { share_id: SHARE, scope: 'tree', role: 'reader', expires_at: null },
      source_type: 'user',
      detailed_source_type: null,
      source_task_id: null,
      task: null,
      participants: [],
      participants_next_cursor: null,
      names: [],
      offset: offsetAt(0),
      tail_offset: offsetAt(this.logs.get(session)?.length ?? 0),
      activity: null,
      status: { status: 'idle', alive: false, turn_id: null, ended_reason: null },
      ...this.joined,
    };
  }

  private watch({ sessions = [], activities = [] }: Json, signal?: AbortSignal | null): Response {
    const places = [
      ...(sessions as Json[]).map(({ session_id, offset }) => [String(session_id), String(offset)] as const),
      ...(activities as Json[]).map(({ task_id, offset }) => [`task ${String(task_id)}`, String(offset)] as const),
    ];
    const encoder = new TextEncoder();
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const watch: OpenWatch = {
          logs: new Set(),
          send: (text) => controller.enqueue(encoder.encode(text)),
          cut: (error) => {
            this.watches.delete(watch);
            if (error) controller.error(error);
            else controller.close();
          },
        };
        signal?.addEventListener('abort', () => this.watches.delete(watch));
        this.watches.add(watch);
        for (const [log, offset] of places) {
          const isThere = this.logs.has(log);
          if (isThere) watch.logs.add(log);
          watch.send(isThere ? this.frame(log, positionOf(offset)) : problemFrame(log));
        }
      },
    });
    return new Response(stream, { headers: { 'content-type': 'text/event-stream' } });
  }

  private frame(log: string, from: number): string {
    const events = this.logs.get(log)!;
    const news = { ...nameOf(log), next_offset: offsetAt(events.length), up_to_date: true, events: events.slice(from) };
    return `event: data\ndata: ${JSON.stringify(news)}\n\n`;
  }

  private page(url: URL): Response {
    const events = this.logs.get(decodeURIComponent(url.pathname.split('/')[4]!)) ?? [];
    const from = positionOf(url.searchParams.get('offset')!);
    return new Response(JSON.stringify(events.slice(from)), {
      headers: {
        'content-type': 'application/json',
        'stream-next-offset': offsetAt(events.length),
        'stream-up-to-date': 'true',
      },
    });
  }
}

const PARTICIPANT = {
  participant_id: '0191d6a0-0000-7000-8000-0000000000bb',
  name: null,
  role: 'reader',
  kind: 'share',
  join_order: 1,
  joined_at: '2026-01-01T00:00:00.000Z',
  last_seen_at: '2026-01-01T00:00:00.000Z',
  is_present: true,
  session_id: 'host',
  selection: null,
};

const answer = (value: unknown) =>
  new Response(JSON.stringify(value), { headers: { 'content-type': 'application/json' } });

/** A refusal as the api gives it. */
export const refusal =
  (status: number, code: string, more: Json = {}) =>
  () =>
    new Response(JSON.stringify({ type: '', title: code, status, detail: code, instance: '', code, ...more }), {
      status,
      headers: { 'content-type': 'application/problem+json' },
    });

const nameOf = (log: string) => (log.startsWith('task ') ? { task_id: log.slice(5) } : { session_id: log });

function problemFrame(log: string): string {
  const code = log.startsWith('task ') ? 'task_not_found' : 'session_not_found';
  const problem = { type: '', title: code, status: 404, detail: code, instance: '', code };
  return `event: problem\ndata: ${JSON.stringify({ ...nameOf(log), problem })}\n\n`;
}
