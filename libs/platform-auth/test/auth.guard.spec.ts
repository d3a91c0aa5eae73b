import {
  Catch,
  Controller,
  Get,
  Global,
  Module,
  Param,
  Req,
  type ArgumentsHost,
  type ExceptionFilter,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { DomainError } from '@holdfast/platform-errors';
import { createDataSource, UnitOfWork } from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import { DataSource } from 'typeorm';
import {
  ApiKeys,
  AuthModule,
  CurrentPrincipal,
  Permit,
  Public,
  RunnerOnly,
  RunnerOrTurn,
  TurnCredentials,
  TurnOnly,
  authPersistence,
  principalOf,
  requireTurnScope,
  routesWithoutPolicy,
  type Permission,
  type Principal,
} from '../src/index.js';

@Controller()
class Routes {
  @Public()
  @Get('public')
  forAnybody() {
    return { ok: true };
  }

  @Permit('VIEW_SESSIONS')
  @Get('view')
  forViewers(@CurrentPrincipal() principal: Principal) {
    return principal;
  }

  @Permit('RESPOND_INTERACTIONS')
  @Get('respond')
  forResponders(@Req() request: object) {
    return principalOf(request);
  }

  @RunnerOnly()
  @Get('runner')
  forRunners(@CurrentPrincipal() principal: Principal) {
    return principal;
  }

  @TurnOnly()
  @Get('turn')
  forTurns(@CurrentPrincipal() principal: Principal) {
    return principal;
  }

  @RunnerOrTurn()
  @Get('either')
  forEither(@CurrentPrincipal() principal: Principal) {
    return principal;
  }

  @TurnOnly()
  @Get('turns/:session_id/:turn_id/:epoch')
  forThisTurn(
    @CurrentPrincipal() principal: Principal,
    @Param() { session_id, turn_id, epoch }: Record<'session_id' | 'turn_id' | 'epoch', string>,
  ) {
    requireTurnScope(principal, { session_id, turn_id, epoch: Number(epoch) });
    return { ok: true };
  }

  @Get('forgotten')
  forNobody() {
    return { leaked: true };
  }
}

@RunnerOnly()
@Controller('class')
class ClassRoutes {
  @Get('inherited')
  forRunners() {
    return { ok: true };
  }

  @Permit('VIEW_SESSIONS')
  @Get('overridden')
  forViewers() {
    return { ok: true };
  }
}

@Catch()
class CodeFilter implements ExceptionFilter<DomainError> {
  catch({ code, kind, members }: DomainError, host: ArgumentsHost) {
    host.switchToHttp().getResponse().code(418).send({ code, kind, members });
  }
}

let database: Awaited<ReturnType<typeof testPostgres>>;
let app: NestFastifyApplication;
let project_id: string;

beforeAll(async () => {
  database = await testPostgres([authPersistence]);
  const config = { url: database.url, poolSize: 2, applicationName: 'test' };

  @Global()
  @Module({
    providers: [
      { provide: DataSource, useFactory: () => createDataSource(config, [authPersistence]).initialize() },
      UnitOfWork,
    ],
    exports: [UnitOfWork],
  })
  class DatabaseModule {}

  @Module({ imports: [DatabaseModule, AuthModule.forRoot()], controllers: [Routes, ClassRoutes] })
  class AppModule {}

  app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), { logger: false });
  app.useGlobalFilters(new CodeFilter());
  await app.init();
  project_id = await app.get(UnitOfWork).run((tx) => app.get(ApiKeys).createProject(tx, { name: 'test' }));
});
afterAll(async () => {
  await app.close();
  await app.get(DataSource).destroy();
  await database.drop();
});

const userKey = async (...permissions: Permission[]) =>
  (
    await app
      .get(UnitOfWork)
      .run((tx) => app.get(ApiKeys).createKey(tx, { project_id, name: 'k', kind: 'user', permissions }))
  ).key;
const runnerKey = async () =>
  (await app.get(UnitOfWork).run((tx) => app.get(ApiKeys).createKey(tx, { project_id, name: 'k', kind: 'runner' })))
    .key;

const turn = { session_id: 's-1', turn_id: 't-1', epoch: 3 };
const turnCredential = () => app.get(TurnCredentials).mint({ project_id, key_id: 'key', ...turn });

async function get(url: string, key?: string, scheme = 'Bearer') {
  const headers = key ? { authorization: `${scheme} ${key}` } : {};
  const response = await app.inject({ url, headers });
  return { status: response.statusCode, body: response.json<Record<string, unknown>>() };
}

describe('the guard', () => {
  it('lets anybody into a public route', async () => {
    expect(await get('/public')).toEqual({ status: 200, body: { ok: true } });
  });

  it('lets a user key with the permission in, and tells the handler who it is', async () => {
    const { status, body } = await get('/view', await userKey('VIEW_SESSIONS'));
    expect(status).toBe(200);
    expect(body).toEqual({ project_id, key_id: expect.any(String), kind: 'user', permissions: ['VIEW_SESSIONS'] });
  });

  it('tells who calls to handlers that take the raw request', async () => {
    expect((await get('/respond', await userKey('RUN_SESSIONS'))).body).toMatchObject({ project_id, kind: 'user' });
  });

  it('names the permission that is missing', async () => {
    expect((await get('/view', await userKey('EDIT_SESSIONS'))).body).toEqual({
      code: 'permission_denied',
      kind: 'forbidden',
      members: { permission: 'VIEW_SESSIONS' },
    });
  });

  it('keeps runner keys out of user routes and user keys out of runner routes', async () => {
    const everything = await userKey('VIEW_SESSIONS', 'EDIT_SESSIONS', 'RUN_SESSIONS', 'MANAGE_PROJECT');
    expect((await get('/view', await runnerKey())).body).toMatchObject({
      code: 'credential_kind',
      members: { expected: 'user' },
    });
    expect((await get('/runner', everything)).body).toMatchObject({
      code: 'credential_kind',
      members: { expected: 'runner' },
    });
    expect((await get('/runner', await runnerKey())).body).toMatchObject({ kind: 'runner', permissions: [] });
  });

  it("A4: keeps a turn's credential out of every route that is not for turns, and keys out of those that are", async () => {
    const [user, runner, credential] = [await userKey('VIEW_SESSIONS'), await runnerKey(), await turnCredential()];
    const answers = async (key: string) => {
      const paths = ['/view', '/runner', '/turn', '/either'];
      return Promise.all(paths.map(async (path) => (await get(path, key)).body['code'] ?? 'let in'));
    };
    expect(await answers(user)).toEqual(['let in', 'credential_kind', 'credential_kind', 'credential_kind']);
    expect(await answers(runner)).toEqual(['credential_kind', 'let in', 'credential_kind', 'let in']);
    expect(await answers(credential)).toEqual(['credential_kind', 'credential_kind', 'let in', 'let in']);
    expect((await get('/forgotten', credential)).body).toMatchObject({ code: 'route_not_permitted' });
  });

  it("A3: tells the handler the project and the turn that a turn's credential is of", async () => {
    expect((await get('/turn', await turnCredential())).body).toEqual({
      project_id,
      key_id: 'key',
      kind: 'turn',
      permissions: [],
      turn,
    });
  });

  it('says which kinds of credential a route takes', async () => {
    const key = await userKey('VIEW_SESSIONS');
    expect((await get('/turn', key)).body).toMatchObject({ members: { expected: 'turn' } });
    expect((await get('/either', key)).body).toMatchObject({ members: { expected: 'runner or turn' } });
  });

  it.each([
    ['another session', 's-2/t-1/3', 'session_id'],
    ['another turn of the session', 's-1/t-2/3', 'turn_id'],
    ['an older epoch', 's-1/t-1/2', 'epoch'],
    ['a later epoch', 's-1/t-1/4', 'epoch'],
  ])("A4: refuses a turn's credential %s", async (_, path, field) => {
    const credential = await turnCredential();
    expect((await get('/turns/s-1/t-1/3', credential)).status).toBe(200);
    expect((await get(`/turns/${path}`, credential)).body).toEqual({
      code: 'credential_scope',
      kind: 'forbidden',
      members: { field },
    });
  });

  it('takes the Bearer scheme in any case, and no other scheme', async () => {
    const key = await userKey('VIEW_SESSIONS');
    expect((await get('/view', key, 'bearer')).status).toBe(200);
    expect((await get('/view', key, 'Basic')).body).toMatchObject({ code: 'unauthenticated' });
    expect((await get('/view', `${key} extra`)).body).toMatchObject({ code: 'unauthenticated' });
    expect((await get('/view')).body).toMatchObject({ code: 'unauthenticated', kind: 'unauthenticated' });
  });

  it('lets nobody into a route without a policy', async () => {
    for (const key of [undefined, await userKey('VIEW_SESSIONS', 'MANAGE_PROJECT'), await runnerKey()]) {
      expect((await get('/forgotten', key)).body).toMatchObject({ code: 'route_not_permitted', kind: 'forbidden' });
    }
  });

  it("takes a method's policy before its class's", async () => {
    const [user, runner] = [await userKey('VIEW_SESSIONS'), await runnerKey()];
    expect((await get('/class/inherited', runner)).status).toBe(200);
    expect((await get('/class/inherited', user)).body).toMatchObject({ code: 'credential_kind' });
    expect((await get('/class/overridden', user)).status).toBe(200);
    expect((await get('/class/overridden', runner)).body).toMatchObject({ code: 'credential_kind' });
  });
});

describe('routesWithoutPolicy', () => {
  it('names the routes that somebody forgot', () => {
    expect(routesWithoutPolicy(app)).toEqual(['Routes.forNobody']);
  });
});
