import { NestFactory } from '@nestjs/core';
import { leastRole } from '@holdfast/platform-auth';
import { createHttpAdapter } from '@holdfast/platform-http';
import { ApiModule } from '../src/api.module.js';
import { ApiConfig } from '../src/config.js';
import { LogRoutes } from '../src/log/log-routes.js';
import { OwnStreams } from '../src/log/own-streams.js';
import { SessionLogs } from '../src/log/session-logs.js';
import { buildOpenApiDocument } from '../src/openapi.js';

interface Described {
  operationId: string;
  security?: Record<string, unknown>[];
  'x-permission'?: string;
  'x-share'?: { role: string; of: string; where: string };
}

let operations: Described[];
beforeAll(async () => {
  const app = await NestFactory.create(ApiModule.forRoot(new ApiConfig()), createHttpAdapter(), {
    preview: true,
    logger: false,
    abortOnError: false,
  });
  const { paths } = buildOpenApiDocument(app);
  operations = Object.values(paths).flatMap((item) => Object.values(item) as Described[]);
});

const named = (name: string) => operations.find(({ operationId }) => operationId === name)!;

describe('what a share may call', () => {
  it('is said of each operation: the least role, and where the session is named', () => {
    expect(named('fetch_session')['x-share']).toEqual({ role: 'reader', of: 'session', where: 'params.session_id' });
    expect(named('invoke_session_stream')['x-share']).toEqual({
      role: 'executor',
      of: 'session',
      where: 'body.session_id',
    });
    expect(named('kill_session_stream')['x-share']).toMatchObject({ role: 'full' });
    expect(named('create_session')['x-share']).toMatchObject({ role: 'never' });
    expect(named('set_agent')['x-share']).toBeUndefined();
  });

  it('is what takes its credential, and nothing else', () => {
    const takes = ({ security = [] }: Described) => security.some((way) => 'share_credential' in way);
    const isOpen = ({ 'x-share': share }: Described) => share !== undefined && share.role !== 'never';
    expect(operations.filter((operation) => takes(operation) !== isOpen(operation))).toEqual([]);
  });

  it('has a role that its permission is part of, or a higher one', () => {
    const LEAST: Record<string, string[]> = {
      VIEW_SESSIONS: ['reader', 'executor', 'full', 'never'],
      RUN_SESSIONS: ['executor', 'full', 'never'],
      RESPOND_INTERACTIONS: ['executor', 'full', 'never'],
      EDIT_SESSIONS: ['full', 'never'],
      MANAGE_PROJECT: ['never'],
    };
    const broken = operations.filter(
      ({ 'x-share': share, 'x-permission': permission }) => share && !LEAST[permission!]!.includes(share.role),
    );
    expect(broken).toEqual([]);
  });

  it('is of every operation of sessions said, one way or the other', () => {
    const ofUsers = operations.filter(({ 'x-permission': permission }) => permission !== undefined);
    const silent = ofUsers.filter((operation) => !operation['x-share']).map(({ operationId }) => operationId);
    expect(silent.sort()).toEqual([
      'edit_project_settings',
      'fetch_agent',
      'fetch_project_settings',
      'query_agents',
      'set_agent',
    ]);
  });

  it('is said of the direct routes, too', () => {
    const none = {} as never;
    const logs = new SessionLogs(none, none, none, none, none);
    const { all } = new LogRoutes(new OwnStreams(none, none, none, none, none), logs);
    const rules = all.flatMap(({ name, methods }) =>
      Object.entries(methods).map(([method, { policy, session }]) => [method, name, leastRole(policy, session?.rule)]),
    );
    expect(rules.filter(([, , role]) => role !== 'never')).toEqual([
      ['GET', '/v1/stream/sessions/:session_id/events', 'reader'],
      ['HEAD', '/v1/stream/sessions/:session_id/events', 'reader'],
      ['GET', '/v1/stream/tasks/:task_id/activity', 'reader'],
      ['HEAD', '/v1/stream/tasks/:task_id/activity', 'reader'],
    ]);
  });
});
