import { randomUUID } from 'node:crypto';
import { NativeRemovalRepository } from '../src/native/native-removal.repository.js';
import { NativeSweeper } from '../src/native/native-sweeper.service.js';
import { SessionRecordsRepository } from '../src/session-records.repository.js';
import { TranscriptRemoval } from '../src/transcript-removal.service.js';
import { NativeWorld } from './native-world.js';

let world: NativeWorld;
let removal: TranscriptRemoval;
beforeAll(async () => {
  world = await NativeWorld.open(4);
  removal = new TranscriptRemoval(
    world.unitOfWork,
    new SessionRecordsRepository(world.unitOfWork),
    new NativeRemovalRepository(),
  );
}, 60_000);
afterAll(async () => {
  await world?.close();
});

const names = () => ({ session_id: `s-${randomUUID()}`, native_id: randomUUID() });
const keyOf = ({ session_id }: { session_id: string }) => ({ project_id: world.project_id, session_id });
const detach = (session: { session_id: string }) =>
  world.unitOfWork.run((tx) => removal.deleteSession(tx, keyOf(session)));
const remove = async (session: { session_id: string }) =>
  removal.removeConversations(world.project_id, (await detach(session)).conversation_ids);
const count = async (table: string) => {
  const rows = await world.unitOfWork.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ${table} WHERE project_id = $1`,
    [world.project_id],
  );
  return rows[0]!.n;
};
const kept = async (line: string) => {
  const rows = await world.unitOfWork.query<{ is_kept: boolean }>(
    `SELECT is_kept FROM native_blobs WHERE project_id = $1 AND sha256 = encode(sha256(convert_to($2, 'UTF8')), 'hex')`,
    [world.project_id, `${line}\n`],
  );
  return rows[0]?.is_kept;
};
const missing = { code: 'resume_state_missing' };

describe('the conversations of a deleted session', () => {
  it("are in nobody's sight from the commit on, and what was being saved is saved no more", async () => {
    const gone = names();
    await world.save(gone, null, ['{"a":1}']);
    const { save_id } = await world.begin(gone, 1);
    await world.add(save_id, ['{"b":2}'], ['{"a":1}']);

    await detach(gone);

    const anywhere = { project_id: world.project_id, session_id: null };
    await expect(world.reader.fetchManifest(anywhere, { session_id: gone.session_id })).rejects.toMatchObject(missing);
    await expect(world.reader.fetchManifest(anywhere, { native_id: gone.native_id })).rejects.toMatchObject(missing);
    const lines = ['{"a":1}', '{"b":2}'];
    await expect(world.end(save_id, lines)).rejects.toMatchObject({ code: 'native_save_not_found' });
    await expect(world.add(save_id, ['{"c":3}'], lines)).rejects.toMatchObject({ code: 'native_save_not_found' });
  });

  it('are gone without a trace once they are removed, and those of other sessions are not', async () => {
    const [gone, other] = [names(), names()];
    await world.save(other, null, ['{"other":1}']);
    const tables = ['native_chunks', 'native_versions', 'native_branches', 'native_saves', 'native_save_parts'];
    const before = await Promise.all(tables.map(count));
    await world.save(gone, null, ['{"a":1}']);
    await world.save(gone, 1, ['{"b":2}'], ['{"a":1}']);
    await world.begin({ ...gone, branch: { from_version: 1, keep: [{ name: 'main.jsonl', lines: 1 }] } }, 1);

    await remove(gone);
    await remove(gone);

    expect(await Promise.all(tables.map(count))).toEqual(before);
    expect(await world.content(other.session_id)).toBe('{"other":1}\n');
  });

  it('let go of the blobs that were theirs alone, which the sweep takes, and keep those that others have too', async () => {
    const [gone, other] = [names(), names()];
    const shared = `{"shared":"${randomUUID()}"}`;
    const own = `{"own":"${randomUUID()}"}`;
    await world.save(gone, null, [shared]);
    await world.save(gone, 1, [own], [shared]);
    await world.save(other, null, [shared]);

    await remove(gone);
    expect([await kept(own), await kept(shared)]).toEqual([false, true]);

    await world.unitOfWork.query(`UPDATE native_blobs SET touched_at = now() - interval '2 days'`);
    await new NativeSweeper(world.unitOfWork, world.savesRows, world.blobs).run(new AbortController().signal);
    expect([await kept(own), await kept(shared)]).toEqual([undefined, true]);
    expect(await world.content(other.session_id)).toBe(`${shared}\n`);
  });

  it('that shared a blob let go of it when they are removed at the same time: the last one finds it loose', async () => {
    for (let round = 0; round < 5; round++) {
      const shared = `{"shared":"${randomUUID()}"}`;
      const all = [names(), names(), names()];
      for (const conversation of all) await world.save(conversation, null, [shared]);
      await Promise.all(all.map(remove));
      expect(await kept(shared)).toBe(false);
    }
  });

  it('never cost another one a blob: what is referred to is not swept, whatever its row says', async () => {
    const other = names();
    const line = `{"a":"${randomUUID()}"}`;
    await world.save(other, null, [line]);
    await world.unitOfWork.query(`UPDATE native_blobs SET is_kept = false, touched_at = now() - interval '2 days'`);
    await new NativeSweeper(world.unitOfWork, world.savesRows, world.blobs).run(new AbortController().signal);
    expect(await world.content(other.session_id)).toBe(`${line}\n`);
  });
});

describe('the records of a deleted session', () => {
  it('go up to the generation that ended, however many they are', async () => {
    const session = keyOf(names());
    const values = [session.project_id, session.session_id];
    await world.unitOfWork.query(
      `INSERT INTO session_records (project_id, session_id, generation, position, type, content, started_at, ended_at, last_position)
       SELECT $1, $2, generation, position, 'message', '{}', now(), now(), position
         FROM generate_series(1, 3) generation, generate_series(1, 1500) position`,
      values,
    );
    await removal.removeRecords(session, 2);
    const left = await world.unitOfWork.query(
      `SELECT generation, count(*)::int AS records FROM session_records WHERE project_id = $1 AND session_id = $2 GROUP BY 1`,
      values,
    );
    expect(left).toEqual([{ generation: 3, records: 1500 }]);
  });
});
