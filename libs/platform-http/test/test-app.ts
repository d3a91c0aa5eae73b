import { Global, Module, type DynamicModule, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ApiKeys, AuthModule, authPersistence, TurnCredentials, type Permission } from '@holdfast/platform-auth';
import { createDataSource, UnitOfWork } from '@holdfast/platform-postgres';
import { TelemetryModule } from '@holdfast/platform-telemetry';
import { testPostgres } from '@holdfast/testing';
import { DataSource } from 'typeorm';
import {
  configureHttp,
  createHttpAdapter,
  DirectLane,
  HttpModule,
  type DirectRoutes,
  type HealthCheck,
} from '../src/index.js';

interface TestAppOptions {
  controllers?: Type[];
  imports?: DynamicModule[];
  healthChecks?: Type<HealthCheck>[];
  rateLimitPerMinute?: number;
  directRoutes?: DirectRoutes;
}

/** A whole app of this library on a real port and a real database. */
export async function startTestApp({
  controllers = [],
  imports = [],
  healthChecks = [],
  rateLimitPerMinute = 1_000,
  directRoutes,
}: TestAppOptions) {
  const database = await testPostgres([authPersistence]);
  const config = { url: database.url, poolSize: 2, applicationName: 'test' };
  const dataSource = await createDataSource(config, [authPersistence]).initialize();

  @Global()
  @Module({ providers: [{ provide: DataSource, useValue: dataSource }, UnitOfWork], exports: [UnitOfWork] })
  class DatabaseModule {}

  @Module({
    imports: [
      DatabaseModule,
      ...imports,
      TelemetryModule.forRoot({ app: 'test', logLevel: 'silent', pretty: false }),
      AuthModule.forRoot(),
      HttpModule.forRoot({ healthChecks }),
    ],
    controllers,
  })
  class AppModule {}

  const lane = new DirectLane();
  const adapter = createHttpAdapter({ bodyLimitBytes: 1_024, lane });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, adapter, { logger: false });
  await configureHttp(app, { rateLimitPerMinute, direct: directRoutes && { lane, routes: directRoutes } });
  await app.listen(0, '127.0.0.1');

  const unitOfWork = app.get(UnitOfWork);
  const apiKeys = app.get(ApiKeys);
  const project_id = await unitOfWork.run((tx) => apiKeys.createProject(tx, { name: 'test' }));
  return {
    app,
    url: await app.getUrl(),
    project_id,
    async userKey(...permissions: Permission[]): Promise<string> {
      const key = { project_id, name: 'user', kind: 'user' as const, permissions };
      return (await unitOfWork.run((tx) => apiKeys.createKey(tx, key))).key;
    },
    async runnerKey(): Promise<string> {
      const key = { project_id, name: 'runner', kind: 'runner' as const };
      return (await unitOfWork.run((tx) => apiKeys.createKey(tx, key))).key;
    },
    async turnCredential(turn_id: string): Promise<string> {
      const turn = { project_id, key_id: turn_id, session_id: 's-1', turn_id, epoch: 1 };
      return app.get(TurnCredentials).mint(turn);
    },
    async stop(): Promise<void> {
      await app.close();
      await dataSource.destroy();
      await database.drop();
    },
  };
}

export type TestApp = Awaited<ReturnType<typeof startTestApp>>;
