import { Controller, Get, Logger, Param } from '@nestjs/common';
import { Public } from '@holdfast/platform-auth';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import pg from 'pg';
import { DirectRoutes, type DirectRoute } from '../src/index.js';
import { startTestApp, type TestApp } from './test-app.js';

/** How a connection to PostgreSQL can be lost, each for real. */
const OUTAGES: Record<string, (unitOfWork: UnitOfWork) => Promise<unknown>> = {
  // The constraint ends its own backend when it is looked at, which is at the commit.
  'ended by the server at the commit': (unitOfWork) => unitOfWork.run((tx) => tx.query(`INSERT INTO cut VALUES (1)`)),
  'broken off at the commit': (unitOfWork) =>
    unitOfWork.run(async (tx) => tx.lastly(async () => void socketOf(tx).destroy())),
  'ended by the server in a read': (unitOfWork) => unitOfWork.query(`SELECT pg_terminate_backend(pg_backend_pid())`),
  'refused to a newcomer': () => new pg.Client({ host: '127.0.0.1', port: 1 }).connect(),
};

const socketOf = (tx: Transaction) =>
  (tx as unknown as { client: { connection: { stream: { destroy(): void } } } }).client.connection.stream;

@Public()
@Controller()
class Routes {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  @Get('ordinary/:outage')
  ordinary(@Param('outage') outage: string) {
    return OUTAGES[outage]!(this.unitOfWork);
  }
}

class Direct extends DirectRoutes {
  private readonly route: DirectRoute = {
    name: '/direct/*',
    methods: {
      GET: {
        policy: { for: 'user', permission: 'VIEW_SESSIONS' },
        handle: async ({ path }) => {
          await OUTAGES[decodeURIComponent(path.split('/')[2]!)]!(test.app.get(UnitOfWork));
        },
      },
    },
  };

  readonly all = [this.route];

  find(path: string): DirectRoute | undefined {
    return path.startsWith('/direct/') ? this.route : undefined;
  }

  headersOf(): Record<string, string> {
    return {};
  }
}

let test: TestApp;
let key: string;
let warnings: jest.SpyInstance;
beforeAll(async () => {
  test = await startTestApp({ controllers: [Routes], directRoutes: new Direct() });
  key = await test.userKey('VIEW_SESSIONS');
  const unitOfWork = test.app.get(UnitOfWork);
  await unitOfWork.query(`CREATE TABLE cut (n int)`);
  await unitOfWork.query(`
    CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$`);
  await unitOfWork.query(`
    CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON cut DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION cut()`);
});
beforeEach(() => {
  warnings = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => test.stop());

describe.each(['ordinary', 'direct'])(
  'a connection to PostgreSQL that is lost under a request of the %s lane',
  (lane) => {
    it.each(Object.keys(OUTAGES))(
      '%s is a 503 that says when to come again, and the log has the cause',
      async (outage) => {
        const response = await fetch(`${test.url}/${lane}/${encodeURIComponent(outage)}`, {
          headers: { authorization: `Bearer ${key}` },
        });
        expect(response.status).toBe(503);
        expect(response.headers.get('retry-after')).toBe('1');
        expect(await response.json()).toMatchObject({
          code: 'database_unavailable',
          status: 503,
          retry_after_seconds: 1,
        });
        expect(warnings).toHaveBeenCalledWith(
          expect.objectContaining({ event: 'http.database_unavailable', err: expect.anything() }),
        );
      },
    );
  },
);
