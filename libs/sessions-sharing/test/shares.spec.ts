import { randomUUID } from 'node:crypto';
import { authPersistence, type KeyPrincipal } from '@holdfast/platform-auth';
import {
  createDataSource,
  IdempotencyKeys,
  platformPersistence,
  UnitOfWork,
  type Transaction,
} from '@holdfast/platform-postgres';
import { eventually, testPostgres } from '@holdfast/testing';
import { sessionsSharingPersistence } from '../src/persistence.js';
import { SessionShareCreate } from '../src/shares/dto/session-share-create.dto.js';
import type { ShareRow } from '../src/shares/share.row.js';
import { SharesRepository } from '../src/shares/shares.repository.js';
import { SharesService } from '../src/shares/shares.service.js';
import { TasksRepository } from '../src/tasks/tasks.repository.js';

jest.setTimeout(60_000);

const principal: KeyPrincipal = {
  project_id: randomUUID(),
  key_id: randomUUID(),
  kind: 'user',
  permissions: ['VIEW_SESSIONS', 'RUN_SESSIONS', 'EDIT_SESSIONS'],
};
const { project_id } = principal;

let unitOfWork: UnitOfWork;
let shares: SharesRepository;
let service: SharesService;
let close: () => Promise<void>;
/** Told whenever a share ends. */
let ending: (share: ShareRow) => void;

beforeAll(async () => {
  const postgres = await testPostgres([platformPersistence, authPersistence, sessionsSharingPersistence]);
  const config = { url: postgres.url, poolSize: 5, applicationName: 'sessions-sharing-test' };
  const dataSource = await createDataSource(config, []).initialize();
  close = async () => {
    await dataSource.destroy();
    await postgres.drop();
  };
  unitOfWork = new UnitOfWork(dataSource);
  shares = new SharesRepository(unitOfWork);
  const nothing = async () => undefined;
  service = new SharesService(
    unitOfWork,
    new IdempotencyKeys(unitOfWork),
    shares,
    { hold: nothing },
    new TasksRepository(unitOfWork),
    {} as never,
    { cutOff: nothing } as never,
    { require: nothing, reached: async () => new Set(['any']) } as never,
    { created: nothing, ended: async (_: Transaction, share: ShareRow) => ending(share) } as never,
    { announce: () => undefined } as never,
  );
});
afterAll(() => close?.());
beforeEach(() => (ending = () => undefined));

/** A share of a session, made so long ago and over since. */
async function plant(session_id: string, share_id: string, { age = 0, isOver = false } = {}): Promise<string> {
  await unitOfWork.query(
    `INSERT INTO shares (project_id, share_id, session_id, scope, role, source_type, origin, created_at, expires_at)
     VALUES ($1, $2, $3, 'session', 'reader', 'user', 'explicit', now() - make_interval(secs => $4),
             CASE WHEN $5 THEN now() - make_interval(secs => $4) END)`,
    [project_id, share_id, session_id, age, isOver],
  );
  return share_id;
}

const refused = (code: string) => expect.objectContaining({ code });
const asked = (session_id: string, rest: Partial<SessionShareCreate> = {}) =>
  Object.assign(new SessionShareCreate(), { session_id, ...rest });

describe('the end of shares', () => {
  it('takes those of a host in the order of their ids, so that two ends never wait for each other', async () => {
    // However they are read otherwise, this one would come first.
    const high = await plant('host', 'ffffffff-ffff-7fff-bfff-ffffffffffff');
    const low = await plant('host', '00000000-0000-7000-8000-000000000000', { age: 60 });
    await unitOfWork.run(async (tx) => {
      await shares.lock(tx, { project_id, share_id: low });
      const other = unitOfWork.run((its) => shares.endOfHost(its, { project_id, session_id: 'host' }, 'killed', null));
      other.catch(() => undefined);
      await eventually(async () => {
        const waiting = await unitOfWork.query(`SELECT 1 FROM pg_locks WHERE NOT granted`);
        expect(waiting).toHaveLength(1);
      });
      const free = await tx.query(
        `SELECT 1 FROM shares WHERE project_id = $1 AND share_id = $2 FOR UPDATE SKIP LOCKED`,
        [project_id, high],
      );
      expect(free).toHaveLength(1);
    });
  });

  it('is noted of all whose time is over, though that of one fails', async () => {
    const first = await plant('overdue', randomUUID(), { age: 60, isOver: true });
    const second = await plant('overdue', randomUUID(), { age: 30, isOver: true });
    ending = ({ share_id }) => {
      if (share_id === first) throw new Error('no log');
    };
    expect(await service.endOverdue(100)).toBe(1);
    expect((await shares.find(unitOfWork, { project_id, share_id: second }))!.end_reason).toBe('expired');
    ending = () => undefined;
    expect(await service.endOverdue(100)).toBe(1);
    expect((await shares.find(unitOfWork, { project_id, share_id: first }))!.end_reason).toBe('expired');
  });
});

describe('making a share again under one Idempotency-Key', () => {
  const list = (session_id: string) =>
    shares.list(project_id, { session_id, include_ended: true }, undefined, undefined, 50);

  it('gives the same share with another token, of which none is kept in clear', async () => {
    const first = await service.create(principal, asked('chat'), 'key');
    const second = await service.create(principal, asked('chat'), 'key');
    expect(second.share.share_id).toBe(first.share.share_id);
    expect(second.token).not.toBe(first.token);
    expect(await list('chat')).toMatchObject([{ token_prefix: second.share.token_prefix }]);
    const kept = await unitOfWork.query(`SELECT response FROM idempotency_keys`);
    expect(JSON.stringify(kept)).toContain(first.share.share_id);
    expect(JSON.stringify(kept)).not.toContain('hf_share_');
    await expect(service.create(principal, asked('chat', { role: 'full' }), 'key')).rejects.toEqual(
      refused('idempotency_key_reused'),
    );
  });

  it('makes one share, however many ask at once', async () => {
    const made = await Promise.all(Array.from({ length: 4 }, () => service.create(principal, asked('many'), 'many')));
    expect(new Set(made.map(({ share }) => share.share_id)).size).toBe(1);
    expect(await list('many')).toHaveLength(1);
  });

  it('makes no other once that has ended', async () => {
    const { share } = await service.create(principal, asked('over'), 'over');
    await service.revoke(principal, { share_id: share.share_id, reason: 'revoked' });
    await expect(service.create(principal, asked('over'), 'over')).rejects.toEqual(refused('share_over'));
    expect(await list('over')).toHaveLength(1);
  });

  it('is another share of another key', async () => {
    const other = { ...principal, key_id: randomUUID() };
    const [one, two] = [
      await service.create(principal, asked('two'), 'two'),
      await service.create(other, asked('two'), 'two'),
    ];
    expect(one.share.share_id).not.toBe(two.share.share_id);
  });
});
