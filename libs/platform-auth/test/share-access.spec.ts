import {
  Body,
  Catch,
  Controller,
  Get,
  Global,
  HttpCode,
  Module,
  Param,
  Post,
  Query,
  type ArgumentsHost,
  type ExceptionFilter,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { DomainError } from '@holdfast/platform-errors';
import { createDataSource, SessionNotFound, UnitOfWork } from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import { DataSource } from 'typeorm';
import {
  ApiKeys,
  AuthModule,
  authPersistence,
  mintShareToken,
  notPrivateToOthers,
  OfSession,
  OfSessionByHandler,
  OfTask,
  Permit,
  PermitOrTurn,
  PrivateSessions,
  readShareToken,
  requireRole,
  RunnerOnly,
  SessionAccess,
  ShareCredentials,
  ShareEnded,
  sharePrincipal,
  Unauthenticated,
  type Permission,
  type Principal,
  type SharePrincipal,
  type ShareRole,
} from '../src/index.js';

@Controller()
class Routes {
  @Permit('VIEW_SESSIONS')
  @OfSession({ params: 'session_id' })
  @Get('of-path/:session_id')
  ofPath(@Param() { session_id }: { session_id: string }) {
    return { session_id };
  }

  @Permit('VIEW_SESSIONS')
  @OfSession({ query: 'session_id' })
  @Get('of-query')
  ofQuery(@Query() { session_id }: { session_id: string }) {
    return { session_id };
  }

  @Permit('RUN_SESSIONS')
  @OfSession({ body: 'session_id' })
  @HttpCode(200)
  @Post('of-body')
  ofBody(@Body() body: object) {
    return body;
  }

  @Permit('RUN_SESSIONS')
  @OfSession({ body: 'session_id', role: 'full' })
  @HttpCode(200)
  @Post('kill')
  kill() {
    return {};
  }

  @Permit('VIEW_SESSIONS')
  @OfTask({ params: 'task_id' })
  @Get('of-task/:task_id')
  ofTask() {
    return {};
  }

  @Permit('EDIT_SESSIONS')
  @OfSessionByHandler()
  @Get('by-handler')
  byHandler() {
    return {};
  }

  @Permit('EDIT_SESSIONS')
  @OfSession({ params: 'session_id', role: 'never' })
  @Get('never/:session_id')
  never() {
    return {};
  }

  @Permit('MANAGE_PROJECT')
  @OfSession({ params: 'session_id' })
  @Get('project/:session_id')
  ofProject() {
    return {};
  }

  @PermitOrTurn('RUN_SESSIONS')
  @OfSessionByHandler({ role: 'never' })
  @Get('native')
  native() {
    return {};
  }

  @Permit('VIEW_SESSIONS')
  @Get('silent')
  silent() {
    return {};
  }

  @RunnerOnly()
  @Get('runner')
  runner() {
    return {};
  }
}

@Catch()
class CodeFilter implements ExceptionFilter<DomainError> {
  catch({ code, members }: DomainError, host: ArgumentsHost) {
    host.switchToHttp().getResponse().code(418).send({ code, members });
  }
}

/** Shares as a test makes them: by token, what it stands for or why it does not. */
const tokens = new Map<string, SharePrincipal | Error>();

class Shares extends ShareCredentials {
  known() {
    return undefined;
  }
  async authenticate(text: string) {
    const found = readShareToken(text) && tokens.get(text);
    if (found instanceof Error) throw found;
    if (!found) throw Unauthenticated();
    return found;
  }
  onChange() {
    return () => undefined;
  }
}

/** `mine` is reached by shares, and `private` by nobody else than shares. */
class Access extends SessionAccess {
  async require(principal: Principal, session_id: string, least: ShareRole) {
    const isReached = principal.kind === 'share' ? session_id === 'mine' : session_id !== 'private';
    if (!isReached) throw SessionNotFound({ session_id });
    requireRole(principal, least);
  }
  requireTask(principal: Principal, task_id: string, least: ShareRole) {
    return this.require(principal, task_id, least);
  }
  requireTree(principal: Principal, task_id: string, least: ShareRole) {
    return this.require(principal, task_id, least);
  }
  async reachedActivities() {
    return new Set<string>();
  }
  async reached() {
    return new Set<string>();
  }
  filter() {
    return () => 'true';
  }
}

let app: NestFastifyApplication;
let unitOfWork: UnitOfWork;
let stop: () => Promise<void>;

beforeAll(async () => {
  const postgres = await testPostgres([authPersistence]);
  const dataSource = await createDataSource({ url: postgres.url, poolSize: 3, applicationName: 'share-access-test' }, [
    authPersistence,
  ]).initialize();

  @Global()
  @Module({
    providers: [
      { provide: DataSource, useValue: dataSource },
      UnitOfWork,
      { provide: ShareCredentials, useClass: Shares },
      { provide: SessionAccess, useClass: Access },
    ],
    exports: [UnitOfWork, ShareCredentials, SessionAccess],
  })
  class World {}

  @Module({ imports: [World, AuthModule.forRoot()], controllers: [Routes] })
  class App {}

  app = await NestFactory.create<NestFastifyApplication>(App, new FastifyAdapter(), { logger: false });
  app.useGlobalFilters(new CodeFilter());
  await app.init();
  unitOfWork = app.get(UnitOfWork);
  stop = async () => {
    await app.close();
    await dataSource.destroy();
    await postgres.drop();
  };
});
afterAll(() => stop());

function share(role: ShareRole): string {
  const { token } = mintShareToken('view');
  const grant = {
    share_id: 'x',
    participant_id: 'y',
    role,
    scope: 'session',
    session_id: 'mine',
    task_id: null,
    maker_id: null,
  } as const;
  tokens.set(token, sharePrincipal('p', grant));
  return token;
}

async function userKey(permissions: Permission[]): Promise<string> {
  return unitOfWork.run(async (tx) => {
    const keys = app.get(ApiKeys);
    const project_id = await keys.createProject(tx, { name: 'test' });
    return (await keys.createKey(tx, { project_id, name: 'user', kind: 'user', permissions })).key;
  });
}

async function call(credential: string, method: 'GET' | 'POST', url: string, payload?: object): Promise<string> {
  const headers = { authorization: `Bearer ${credential}` };
  const response = await app.inject({ method, url, headers, ...(payload && { payload }) });
  return response.statusCode === 200 ? 'ok' : response.json().code;
}

describe('a route that names its session', () => {
  it('lets a share in where it reaches that, wherever the request names it', async () => {
    const executor = share('executor');
    expect(await call(executor, 'GET', '/of-path/mine')).toBe('ok');
    expect(await call(executor, 'GET', '/of-query?session_id=mine')).toBe('ok');
    expect(await call(executor, 'POST', '/of-body', { session_id: 'mine' })).toBe('ok');
    expect(await call(executor, 'GET', '/of-task/mine')).toBe('ok');
    for (const [method, url, body] of [
      ['GET', '/of-path/other'],
      ['GET', '/of-query?session_id=other'],
      ['POST', '/of-body', { session_id: 'other' }],
      ['GET', '/of-task/other'],
    ] as const) {
      expect([url, await call(executor, method, url, body)]).toEqual([url, 'session_not_found']);
    }
  });

  it.each([
    ['nothing', {}],
    ['null', { session_id: null }],
    ['a list', { session_id: ['mine'] }],
    ['an object', { session_id: { mine: 'mine' } }],
    ['another name', { sessionId: 'mine' }],
  ])('lets no share in by %s', async (_, body) => {
    expect(await call(share('full'), 'POST', '/of-body', body)).toBe('session_not_found');
  });

  it('lets no share in by two names', async () => {
    expect(await call(share('full'), 'GET', '/of-query?session_id=mine&session_id=other')).toBe('session_not_found');
  });

  it('says what is not reached before it says what may not be done', async () => {
    const reader = share('reader');
    expect(await call(reader, 'POST', '/of-body', { session_id: 'mine' })).toBe('permission_denied');
    expect(await call(reader, 'POST', '/of-body', { session_id: 'other' })).toBe('session_not_found');
  });

  it('takes a higher role than its permission where it says so', async () => {
    const body = { session_id: 'mine' };
    expect(await call(share('executor'), 'POST', '/kill', body)).toBe('permission_denied');
    expect(await call(share('full'), 'POST', '/kill', body)).toBe('ok');
  });

  it('keeps the private sessions of other keys from users, and leaves what is malformed to validation', async () => {
    const user = await userKey(['VIEW_SESSIONS', 'RUN_SESSIONS']);
    expect(await call(user, 'GET', '/of-path/any')).toBe('ok');
    expect(await call(user, 'GET', '/of-path/private')).toBe('session_not_found');
    expect(await call(user, 'POST', '/of-body', { session_id: ['private'] })).toBe('ok');
    expect(await call(await userKey([]), 'GET', '/of-path/private')).toBe('permission_denied');
  });
});

describe('a route that leaves it to its handler', () => {
  it('takes the role of a share for a start', async () => {
    expect(await call(share('executor'), 'GET', '/by-handler')).toBe('permission_denied');
    expect(await call(share('full'), 'GET', '/by-handler')).toBe('ok');
  });
});

describe('a route that is of no session, or of none that is shared', () => {
  it.each(['/silent', '/never/mine', '/project/mine', '/native', '/runner'])('refuses every share: %s', async (url) => {
    expect(await call(share('full'), 'GET', url)).toBe('credential_kind');
  });
});

describe('the token of a share', () => {
  it('says what it is and is found by its hash', () => {
    for (const kind of ['share', 'view'] as const) {
      const { token, prefix, hash } = mintShareToken(kind);
      expect(token).toMatch(new RegExp(`^hf_${kind}_${prefix}_[0-9a-f]{64}$`));
      expect(readShareToken(token)).toEqual({ kind, hash });
    }
    const tokens_ = Array.from({ length: 100 }, () => mintShareToken('share').token);
    expect(new Set(tokens_).size).toBe(100);
  });

  it.each([
    'hf_share_',
    `hf_share_${'0'.repeat(16)}_${'0'.repeat(63)}`,
    `hf_share_${'0'.repeat(16)}_${'G'.repeat(64)}`,
    `hf_view_${'0'.repeat(16)}_${'0'.repeat(64)}\n`,
    `hf_user_${'0'.repeat(16)}_${'0'.repeat(64)}`,
  ])('is refused without a look at the database when it is %j', (text) => {
    expect(readShareToken(text)).toBeUndefined();
  });

  it('that nobody has and one that has ended are told apart, to whoever has it', async () => {
    const { token } = mintShareToken('share');
    expect(await call(token, 'GET', '/of-path/mine')).toBe('unauthenticated');
    tokens.set(token, ShareEnded({ reason: 'expired' }));
    expect(await call(token, 'GET', '/of-path/mine')).toBe('share_ended');
    expect(await call(token, 'GET', '/silent')).toBe('share_ended');
  });
});

describe('private sessions', () => {
  it('are those of other keys, told by one condition for every list', async () => {
    const [project, owner, other] = ['1', '2', '3'].map((digit) => `00000000-0000-0000-0000-00000000000${digit}`);
    const sessions = app.get(PrivateSessions);
    const key = { project_id: project!, session_id: 's-1' };
    await unitOfWork.run((tx) => sessions.add(tx, key, owner!));
    await unitOfWork.run((tx) => sessions.add(tx, key, other!));
    const seen = async (by: string, session_id = 's-1') => {
      const condition = notPrivateToOthers('$1::uuid', '$2::text', '$3::uuid');
      return (await unitOfWork.queryOne<{ seen: boolean }>(`SELECT ${condition} AS seen`, [project, session_id, by]))!
        .seen;
    };
    expect([await seen(owner!), await seen(other!), await seen(other!, 's-2')]).toEqual([true, false, true]);
    await unitOfWork.run((tx) => sessions.remove(tx, key));
    expect(await seen(other!)).toBe(true);
  });
});
