import { Catch, Controller, Get, Global, Module, Req, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
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
  authPersistence,
  principalOf,
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
