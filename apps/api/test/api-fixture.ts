import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { seedAgents } from '@holdfast/agents';
import { ApiKeys, PrivateSessions, type Permission } from '@holdfast/platform-auth';
import { configureHttp, createHttpAdapter, DirectLane } from '@holdfast/platform-http';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { persistence } from '@holdfast/sessions';
import { testPostgres } from '@holdfast/testing';
import { ApiModule } from '../src/api.module.js';
import { ApiConfig } from '../src/config.js';
import { ApiDirectRoutes } from '../src/direct-routes.js';

/** What an operation answered. */
export interface Answer {
  status: number;
  code: string | undefined;
  // What it holds is for the test to say.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

/** The api over HTTP, in as many processes' worth of instances as asked for, on one database of its own. */
export async function startApis(count: number) {
  const postgres = await testPostgres(persistence);
  const blobs = mkdtempSync(path.join(tmpdir(), 'holdfast-api-test-'));
  const config = Object.assign(new ApiConfig(), {
    DATABASE_URL: postgres.url,
    BLOBS_URL: pathToFileURL(blobs).href,
    POSTGRES_POOL_SIZE: 5,
    LOG_LEVEL: 'fatal',
    LONG_POLL_SECONDS: 60,
    PUBLIC_URL: 'https://holdfast.example',
  });
  const apps: NestFastifyApplication[] = [];
  for (let index = 0; index < count; index += 1) {
    const lane = new DirectLane();
    const app = await NestFactory.create<NestFastifyApplication>(
      ApiModule.forRoot(config),
      createHttpAdapter({ lane }),
      { logger: false, abortOnError: false },
    );
    await configureHttp(app, { rateLimitPerMinute: 60_000, direct: { lane, routes: app.get(ApiDirectRoutes) } });
    await app.listen(0, '127.0.0.1');
    apps.push(app);
  }
  const urls = await Promise.all(apps.map((app) => app.getUrl()));
  const [first] = apps;
  return {
    apps,
    urls,
    newProject: () => Project.make(first!, urls[0]!),
    async stop() {
      for (const app of apps) await app.close();
      await postgres.drop();
      rmSync(blobs, { recursive: true, force: true });
    },
  };
}

export type Apis = Awaited<ReturnType<typeof startApis>>;

const EVERYTHING: Permission[] = ['VIEW_SESSIONS', 'RUN_SESSIONS', 'EDIT_SESSIONS'];

/** Somebody with a credential, at one instance of the api. */
export class Caller {
  constructor(
    readonly url: string,
    readonly credential: string,
  ) {}

  at(url: string): Caller {
    return new Caller(url, this.credential);
  }

  as(credential: string): Caller {
    return new Caller(this.url, credential);
  }

  fetch(method: string, where: string, body?: unknown, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${where}`, {
      ...init,
      method,
      headers: {
        authorization: `Bearer ${this.credential}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  async ask(method: string, where: string, body?: unknown): Promise<Answer> {
    const response = await this.fetch(method, where, body);
    const text = await response.text();
    const parsed = text === '' ? undefined : JSON.parse(text);
    return { status: response.status, code: parsed?.code, body: parsed };
  }

  get = (where: string) => this.ask('GET', where);
  post = (where: string, body: unknown = {}) => this.ask('POST', where, body);
  patch = (where: string, body: unknown) => this.ask('PATCH', where, body);
  put = (where: string, body: unknown = {}) => this.ask('PUT', where, body);

  /** What the log of a session holds now. */
  async events(session_id: string): Promise<{ type: string; data: Record<string, unknown> }[]> {
    return (await this.get(`/v1/stream/sessions/${session_id}/events?offset=-1`)).body;
  }

  /** Opens a view that goes on; what it is given can be read and its end waited for. */
  async view(where: string, body?: unknown): Promise<View> {
    const leave = new AbortController();
    const response = await this.fetch(body === undefined ? 'GET' : 'POST', where, body, { signal: leave.signal });
    return new View(response, leave);
  }
}

/** An event stream that is open. */
export class View {
  text = '';
  readonly ended: Promise<string>;

  constructor(
    readonly response: Response,
    private readonly leaving: AbortController,
  ) {
    this.ended = this.read();
  }

  leave(): void {
    this.leaving.abort();
  }

  private async read(): Promise<string> {
    const decoder = new TextDecoder();
    try {
      for await (const piece of this.response.body as unknown as AsyncIterable<Uint8Array>) {
        this.text += decoder.decode(piece, { stream: true });
      }
    } catch (error) {
      if (!this.leaving.signal.aborted) throw error;
    }
    return this.text;
  }
}

/** A project of its own, with keys and what tests put into it. */
export class Project {
  private constructor(
    private readonly app: NestFastifyApplication,
    private readonly url: string,
    readonly project_id: string,
  ) {}

  static async make(app: NestFastifyApplication, url: string): Promise<Project> {
    const project_id = await app.get(UnitOfWork).run(async (tx) => {
      const id = await app.get(ApiKeys).createProject(tx, { name: 'test' });
      await seedAgents(tx, id);
      return id;
    });
    return new Project(app, url, project_id);
  }

  async user(permissions: Permission[] = EVERYTHING): Promise<Caller & { key_id: string }> {
    const { project_id } = this;
    const { id, key } = await this.app
      .get(UnitOfWork)
      .run((tx) => this.app.get(ApiKeys).createKey(tx, { project_id, name: 'user', kind: 'user', permissions }));
    return Object.assign(new Caller(this.url, key), { key_id: id });
  }

  async runner(): Promise<Caller> {
    const { project_id } = this;
    const { key } = await this.app
      .get(UnitOfWork)
      .run((tx) => this.app.get(ApiKeys).createKey(tx, { project_id, name: 'runner', kind: 'runner' }));
    return new Caller(this.url, key);
  }

  /** Makes a session of that key alone, as a local run does. */
  async privateSession(owner: Caller & { key_id: string }): Promise<string> {
    const session_id = `private-${randomUUID()}`;
    await owner.put(`/v1/sessions/${session_id}`);
    const key = { project_id: this.project_id, session_id };
    await this.app.get(UnitOfWork).run((tx) => this.app.get(PrivateSessions).add(tx, key, owner.key_id));
    return session_id;
  }

  /** A tree of tasks with a session each: the names of tasks by the name that they have here. */
  async tree(user: Caller, parents: Record<string, string | null>): Promise<Tree> {
    const tree: Tree = { tasks: {}, sessions: {} };
    for (const [name, parent] of Object.entries(parents)) {
      const session_id = `${name}-${randomUUID()}`;
      await user.put(`/v1/sessions/${session_id}`);
      const parent_task_id = parent === null ? undefined : tree.tasks[parent]!;
      const made = await user.post('/v1/sessions/tasks', {
        name,
        session_id,
        ...(parent_task_id && { parent_task_id }),
      });
      if (made.status !== 201) throw new Error(`no task: ${JSON.stringify(made.body)}`);
      tree.tasks[name] = made.body.task_id;
      tree.sessions[name] = session_id;
    }
    return tree;
  }

  /** Shares, and gives whoever uses the link. */
  async share(maker: Caller, create: Record<string, unknown>): Promise<Caller & { share_id: string; link: string }> {
    const { status, body } = await maker.post('/v1/sessions/shares', create);
    if (status !== 201) throw new Error(`not shared: ${JSON.stringify(body)}`);
    return Object.assign(new Caller(this.url, body.token), { share_id: body.share.share_id, link: body.link });
  }
}

export interface Tree {
  tasks: Record<string, string>;
  sessions: Record<string, string>;
}
