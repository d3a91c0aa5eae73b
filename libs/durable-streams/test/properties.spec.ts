import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { isDomainError } from '@holdfast/platform-errors';
import { eventually, testRedis, type TestRedis } from '@holdfast/testing';
import { formatOffset, type LogKey } from '../src/index.js';
import {
  answer,
  copyOf,
  forget,
  logAt,
  offsetIn,
  type Answer,
  type Content,
  type Model,
  type Request,
} from './log-model.js';
import { Numbers, requestOf, steps, type Draft, type Step } from './log-steps.js';
import { startLogs, unlimited, type Logs } from './logs-fixture.js';
import type { TestView } from './test-view.js';

/** How long each leg looks for a counterexample, and then for a smaller one. */
const LOOK_MS = 9_000;
const SHRINK_MS = 10_000;

const legs = process.env['HOLDFAST_TEST_REDIS_URL'] ? ['PostgreSQL', 'Redis'] : ['PostgreSQL'];
const contentTypes: Record<Content, string> = { json: 'application/json', bytes: 'text/plain' };

describe.each(legs)('two processes on one database, with signals through %s', (leg) => {
  let redis: TestRedis | undefined;
  let processes: Logs[];
  beforeAll(async () => {
    redis = leg === 'Redis' ? await testRedis() : undefined;
    // Next to no memory in one of them.
    const first = await startLogs({ redisUrl: redis?.url, cacheBytes: 5_000 });
    processes = [first, await startLogs({ url: first.url, redisUrl: redis?.url })];
  });
  afterAll(async () => {
    for (const process of processes.reverse()) await process.stop();
    await redis?.drop();
  });

  it('together are the log that one alone would be: no answer, no read and no viewer tells of another (P1)', async () => {
    let deadline = Date.now() + LOOK_MS;
    let isFound = false;
    const play = async (all: Step[]) => {
      // What is left then passes unseen: a run that is under way must not be cut off.
      if (Date.now() > deadline) return;
      try {
        await new Play(processes, () => cutSignals(processes[0]!, redis)).run(all);
      } catch (error) {
        if (!isFound) deadline = Date.now() + SHRINK_MS;
        isFound = true;
        throw error;
      }
    };
    await fc.assert(fc.asyncProperty(steps, play), { numRuns: 2_000 });
  }, 60_000);
});

/** One run, in a project of its own. */
class Play {
  private readonly project_id = randomUUID();
  private readonly numbers = new Numbers();
  private readonly readers: Reader[] = [];
  private model: Model = { logs: [] };

  constructor(
    private readonly processes: Logs[],
    private readonly cut: () => Promise<void>,
  ) {}

  async run(all: Step[]): Promise<void> {
    try {
      for (const step of all) await this.take(step);
      for (const path of new Set(this.model.logs.map((log) => log.path))) await this.compare(path);
      for (const reader of this.readers) await this.checkReader(reader);
    } finally {
      await Promise.all(this.readers.map((reader) => reader.leave()));
    }
  }

  private async take(step: Step): Promise<void> {
    switch (step.step) {
      case 'requests':
        return this.send(step.requests);
      case 'follow':
        return this.follow(step);
      case 'take':
        return this.readers.forEach((reader) => reader.goOnTaking());
      case 'expire':
        return this.expire(step.path);
      case 'maintain':
        return this.maintain();
      case 'cut':
        return this.cut();
    }
  }

  /** At the same time; some order of them must explain all answers. */
  private async send(drafts: Draft[]): Promise<void> {
    const sent = drafts.flatMap((draft) => {
      const request = requestOf(this.model, this.numbers, draft);
      return request ? [{ request, process: this.processes[draft.process]! }] : [];
    });
    const answers = await Promise.all(sent.map(({ request, process }) => this.perform(process, request)));
    const told = sent.map(({ request }, index) => ({ request, answer: answers[index]! }));
    const explained = explain(this.model, told);
    if (!explained) throw new Error(`no order explains ${JSON.stringify(told, null, 1)} after ${this.describe()}`);
    this.model = explained;
  }

  private async perform(process: Logs, request: Request): Promise<Answer> {
    try {
      return await this.succeed(process, { project_id: this.project_id, path: request.path }, request);
    } catch (error) {
      if (!isDomainError(error)) throw error;
      return { kind: 'refused', code: error.code };
    }
  }

  private async succeed(process: Logs, key: LogKey, request: Request): Promise<Answer> {
    switch (request.do) {
      case 'create':
      case 'fork': {
        const made = await process.lifecycle.create({
          ...key,
          closed: false,
          body: Buffer.alloc(0),
          ...asked(request),
        });
        const { tail, closed, generation } = made.head;
        return { kind: made.created ? 'created' : 'found', tail, closed, generation };
      }
      case 'append': {
        const { content, units, close, producer, seq } = request;
        const messages =
          content === 'json' ? units.map((unit) => Buffer.from(unit)) : units.length ? [bytes(units)] : [];
        const outcome = await process.log.append({
          ...key,
          messages,
          content_type: contentTypes[content],
          close,
          producer,
          seq,
        });
        if (outcome.kind === 'refused') throw outcome.error;
        const { tail } = outcome.head;
        if (outcome.kind === 'appended') return { kind: 'appended', tail };
        return { kind: 'duplicate', tail, ...(outcome.seq !== undefined && { seq: outcome.seq }) };
      }
      case 'delete':
        await process.lifecycle.delete(key);
        return { kind: 'deleted' };
      case 'trim':
        return { kind: 'trimmed', first: await process.trim(key, request.upto) };
      case 'read':
        return { kind: 'read', units: unitsOf(await process.read(key, request.at && formatOffset(request.at))) };
    }
  }

  /** Whatever order of steps led here, both processes must show what the model holds. */
  private async compare(path: string): Promise<void> {
    for (const process of this.processes) {
      const request: Request = { do: 'read', path };
      expect([path, await this.perform(process, request)]).toEqual([path, answer(this.model, request, 0)]);
    }
  }

  private follow({ process, path, at, slowly }: Extract<Step, { step: 'follow' }>): void {
    const log = logAt(this.model, path);
    if (log?.state !== 'live') return;
    const start = log.first + (at % (log.units.length - log.first + 1));
    const offset = formatOffset(offsetIn(log, start));
    const key = { project_id: this.project_id, path };
    const reader = new Reader(this.processes[process]!, key, offset, { index: this.model.logs.indexOf(log), start });
    this.readers.push(reader);
    if (slowly) reader.stopTaking();
  }

  /** What a viewer was shown is what the log held from its offset on, as far as it was shown; all of it in the end. */
  private async checkReader(reader: Reader): Promise<void> {
    const { index, start } = reader.from;
    const { path, state, units, first, closed } = this.model.logs[index]!;
    const later = this.model.logs.filter((log, at) => at > index && log.path === path);
    reader.goOnTaking();
    const expected = units.slice(start);
    if (state === 'live' && first <= start) {
      await eventually(() => expect(reader.units).toEqual(expected));
      if (closed) expect(await reader.ended).toBe('closed');
    } else if (later.length === 0 && (state === 'removed' || state === 'deleted')) {
      expect(await reader.ended).toMatch(/^(closed|stream_not_found|stream_deleted|offset_gone)$/);
    }
    // Whoever was not past the fork goes on in the fork that is made again there.
    const lines = [expected, ...later.map((log) => log.units.slice(start))];
    expect(lines.map((line) => line.slice(0, reader.units.length))).toContainEqual(reader.units);
  }

  private async expire(path: string): Promise<void> {
    const log = logAt(this.model, path);
    if (log?.state !== 'live') return;
    log.state = 'expired';
    await this.processes[0]!.unitOfWork.query(
      `UPDATE log_streams SET expires_at = now() - interval '1 second' WHERE project_id = $1 AND path = $2`,
      [this.project_id, path],
    );
  }

  private async maintain(): Promise<void> {
    const [process] = this.processes;
    await process!.unitOfWork.query(`UPDATE log_streams SET scattered = true WHERE project_id = $1`, [this.project_id]);
    await process!.compactor.run(unlimited);
    await process!.expired.sweep(unlimited);
    await process!.garbage.collect(unlimited);
    for (const log of this.model.logs) if (log.state === 'expired') forget(this.model, log);
  }

  private describe(): string {
    return JSON.stringify(this.model.logs.map(({ fork, ...log }) => ({ ...log, source: fork?.source.path })));
  }
}

/** Somebody who follows a log and comes again whenever the connection ends, as clients do. */
class Reader {
  readonly ended: Promise<string>;
  private readonly views: TestView[] = [];
  private isTaking = true;
  private isLeaving = false;

  constructor(
    private readonly process: Logs,
    private readonly key: LogKey,
    private readonly offset: string,
    readonly from: { index: number; start: number },
  ) {
    this.ended = this.follow();
  }

  get units(): string[] {
    return this.views.flatMap(({ seen }) =>
      unitsOf(seen.every((value) => typeof value === 'number') ? seen : seen.join('')),
    );
  }

  stopTaking(): void {
    this.isTaking = false;
    this.views.at(-1)!.stopTaking();
  }

  goOnTaking(): void {
    this.isTaking = true;
    this.views.at(-1)!.goOnTaking();
  }

  async leave(): Promise<void> {
    this.isLeaving = true;
    this.views.at(-1)!.leave();
    await this.ended;
  }

  /** Resolves with why it cannot be followed any more. */
  private async follow(): Promise<string> {
    for (let offset = this.offset; ;) {
      const view = this.process.follow(this.key, offset);
      this.views.push(view);
      if (!this.isTaking) view.stopTaking();
      const end = await view.ended.catch((error: { code: string }) => error.code);
      if (end !== 'gone' || this.isLeaving) return end;
      offset = view.controls.at(-1)?.streamNextOffset ?? offset;
    }
  }
}

/** The model after the requests in an order in which it gives these answers to them; undefined when there is none. */
function explain(model: Model, told: { request: Request; answer: Answer }[]): Model | undefined {
  if (told.length === 0) return model;
  for (const one of told) {
    const next = copyOf(model);
    const generation = 'generation' in one.answer ? one.answer.generation : 0;
    if (!isDeepStrictEqual(answer(next, one.request, generation), one.answer)) continue;
    const explained = explain(
      next,
      told.filter((another) => another !== one),
    );
    if (explained) return explained;
  }
  return undefined;
}

const bytes = (units: string[]) => Buffer.from(units.join(''));

function asked(request: Extract<Request, { do: 'create' | 'fork' }>) {
  if (request.do === 'create') {
    const { content, units, closed } = request;
    const body = content === 'bytes' ? bytes(units) : Buffer.from(`[${units.join(',')}]`);
    return { content_type: contentTypes[content], closed, body };
  }
  const { source, anchor, sub } = request;
  return { fork: { source_path: source, offset: anchor && formatOffset(anchor), sub_offset: sub } };
}

const unitsOf = (content: unknown): string[] =>
  typeof content === 'string' ? [...content] : (content as unknown[]).map(String);

async function cutSignals({ unitOfWork }: Logs, redis: TestRedis | undefined): Promise<void> {
  if (!redis) {
    await unitOfWork.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'holdfast-signals-%'`,
    );
    return;
  }
  const admin = new Redis(redis.url);
  const clients = String(await admin.client('LIST')).split('\n');
  const database = ` db=${new URL(redis.url).pathname.slice(1)} `;
  for (const line of clients) {
    if (!line.includes(' name=holdfast-signals-') || !line.includes(database)) continue;
    await admin.client('KILL', 'ID', /^id=(\d+)/.exec(line)![1]!);
  }
  admin.disconnect();
}
