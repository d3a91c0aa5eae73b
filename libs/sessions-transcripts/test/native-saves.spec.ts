import { randomUUID } from 'node:crypto';
import { NativeSweeper } from '../src/native/native-sweeper.service.js';
import { NativeWorld } from './native-world.js';

let world: NativeWorld;

beforeAll(async () => {
  world = await NativeWorld.open(1);
}, 60_000);
afterAll(async () => {
  await world?.close();
});

const names = () => ({ session_id: `s-${randomUUID()}`, native_id: randomUUID() });

describe('a native save', () => {
  it('takes one connection at a time, so that many at once never wait for each other', async () => {
    const ends = Array.from({ length: 4 }, async () => {
      const conversation = names();
      const { version } = await world.save(conversation, null, ['{"a":1}']);
      return version;
    });
    expect(await Promise.all(ends)).toEqual([1, 1, 1, 1]);
  }, 60_000);

  it('N14: puts its blobs though the store is said to have them: one that is damaged there is whole again', async () => {
    const lines = [`{"a":"${randomUUID()}"}`];
    const [before, after] = [names(), names()];
    await world.save(before, null, lines);
    await world.damage();
    await expect(world.content(before.session_id)).rejects.toMatchObject({ code: 'conversation_load_failed' });
    await world.save(after, null, lines);
    for (const { session_id } of [before, after]) expect(await world.content(session_id)).toBe(`${lines[0]}\n`);
  });

  it('of a branch that names a file twice is refused', async () => {
    const conversation = names();
    await world.save(conversation, null, ['{"a":1}']);
    const keep = [
      { name: 'main.jsonl', lines: 2 },
      { name: 'main.jsonl', lines: 2 },
    ];
    const begun = world.begin({ ...conversation, branch: { from_version: 1, keep } }, 1);
    await expect(begun).rejects.toMatchObject({ code: 'native_part_refused' });
  });

  it('of a branch more than a conversation may have is refused', async () => {
    const conversation = names();
    const { conversation_id } = await world.save(conversation, null, ['{"a":1}']);
    const branch = { from_version: 1, keep: [{ name: 'main.jsonl', lines: 0 }] };
    await expect(world.begin({ ...conversation, branch }, 1)).resolves.toBeDefined();
    await world.unitOfWork.query(
      `INSERT INTO native_branches (project_id, conversation_id, branch_id, from_version, version)
       SELECT $1, $2, gen_random_uuid(), 1, 1 FROM generate_series(1, 999)`,
      [world.project_id, conversation_id],
    );
    await expect(world.begin({ ...conversation, branch }, 1)).rejects.toMatchObject({ code: 'native_part_refused' });
  });

  it('is the head of its session though the clock of the database was set back', async () => {
    const older = names();
    const newer = { ...names(), session_id: older.session_id };
    await world.save(older, null, ['{"a":1}']);
    await world.unitOfWork.query(
      `UPDATE native_conversations SET updated_at = now() + interval '1 hour' WHERE session_id = $1`,
      [older.session_id],
    );
    await world.save(newer, null, ['{"b":1}']);
    expect((await world.head(older.session_id)).native_id).toBe(newer.native_id);
    await world.save(older, 1, ['{"a":2}'], ['{"a":1}']);
    expect((await world.head(older.session_id)).native_id).toBe(older.native_id);
  });
});

describe('a blob that nothing refers to', () => {
  let wide: NativeWorld;
  beforeAll(async () => {
    wide = await NativeWorld.open(4);
  }, 60_000);
  afterAll(async () => {
    await wide?.close();
  });

  const sweep = () => new NativeSweeper(wide.unitOfWork, wide.savesRows, wide.blobs).run(new AbortController().signal);
  const age = () => wide.unitOfWork.query(`UPDATE native_blobs SET touched_at = now() - interval '2 days'`);
  /** A blob that was put by a save of which nothing is left. */
  const abandoned = async (line: string) => {
    const { save_id } = await wide.begin(names(), null);
    await wide.add(save_id, [line]);
    await wide.unitOfWork.query(`DELETE FROM native_save_parts WHERE save_id = $1`, [save_id]);
    await age();
  };
  const blobs = async () => {
    const keys: string[] = [];
    for await (const { key } of wide.blobs.list('')) keys.push(key);
    return keys;
  };

  it('N17: is removed while a save brings the same content, and is there when that is done', async () => {
    const line = `{"a":"${randomUUID()}"}`;
    await abandoned(line);
    const conversation = names();
    const { save_id } = await wide.begin(conversation, null);
    let adding: Promise<unknown> | undefined;
    const remove = wide.blobs.delete.bind(wide.blobs);
    jest.spyOn(wide.blobs, 'delete').mockImplementation(async (key) => {
      await remove(key);
      adding = wide.add(save_id, [line]);
      await untilBlocked();
    });
    expect(await sweep()).toMatchObject({ blobs: 1 });
    jest.restoreAllMocks();
    await adding;
    await wide.end(save_id, [line]);
    expect(await blobs()).toHaveLength(1);
    await age();
    expect(await sweep()).toMatchObject({ blobs: 0 });
  });

  it('N17: is not removed once a save has begun to use it again', async () => {
    const line = `{"a":"${randomUUID()}"}`;
    await abandoned(line);
    const before = (await blobs()).length;
    const { save_id } = await wide.begin(names(), null);
    let swept: unknown;
    const put = wide.blobs.put.bind(wide.blobs);
    jest.spyOn(wide.blobs, 'put').mockImplementation(async (...args) => {
      swept = await sweep();
      await put(...args);
    });
    await wide.add(save_id, [line]);
    jest.restoreAllMocks();
    expect(swept).toMatchObject({ blobs: 0 });
    expect(await blobs()).toHaveLength(before);
  });

  /** Until some statement waits for a lock that another one holds. */
  async function untilBlocked(): Promise<void> {
    for (;;) {
      const waiting = await wide.unitOfWork.query(
        `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      if (waiting.length > 0) return;
    }
  }
});
