import { randomUUID } from 'node:crypto';
import type { TurnFence } from '@holdfast/platform-postgres';
import type { InteractionStatus } from '../src/session-interaction.rules.js';
import { aQuestion, openInteractions, type OpenInteractions } from './interaction-database.js';

let at: OpenInteractions;

beforeAll(async () => {
  at = await openInteractions();
});

afterAll(() => at?.close());

/** Raises questions one after the other and returns their ids, newest first. */
async function ask(turn: TurnFence, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) ids.unshift((await at.service.raise(turn, aQuestion())).interaction_id);
  return ids;
}

async function query(
  project_id: string,
  filter: { session_id?: string; turn_id?: string; status?: InteractionStatus },
) {
  const { data, next_cursor } = await at.reader.query(project_id, { ...filter, limit: 50 });
  expect(next_cursor).toBeNull();
  return data.map(({ interaction_id }) => interaction_id);
}

it('filters by session, by turn and by status', async () => {
  const turn = await at.aTurn();
  const earlier = await ask(turn, 2);
  const other = await at.aTurn({ ...turn, turn_id: randomUUID() });
  const later = await ask(other, 1);
  const elsewhere = await ask(await at.aTurn({ project_id: turn.project_id, session_id: 'elsewhere' }), 1);
  await at.service.respond(turn.project_id, earlier[1]!, { decision: 'deny' }, randomUUID());

  expect(await query(turn.project_id, {})).toEqual([...elsewhere, ...later, ...earlier]);
  expect(await query(turn.project_id, { session_id: 'chat' })).toEqual([...later, ...earlier]);
  expect(await query(turn.project_id, { turn_id: turn.turn_id })).toEqual(earlier);
  expect(await query(turn.project_id, { status: 'pending' })).toEqual([...elsewhere, ...later, earlier[0]]);
  expect(await query(turn.project_id, { turn_id: turn.turn_id, status: 'responded' })).toEqual([earlier[1]]);
  expect(await query(turn.project_id, { session_id: 'elsewhere', turn_id: turn.turn_id })).toEqual([]);
});

it('pages through all of them', async () => {
  const turn = await at.aTurn();
  const ids = await ask(turn, 5);

  const first = await at.reader.query(turn.project_id, { session_id: 'chat', limit: 2 });
  const second = await at.reader.query(turn.project_id, { session_id: 'chat', limit: 2, cursor: first.next_cursor! });
  const third = await at.reader.query(turn.project_id, { session_id: 'chat', limit: 2, cursor: second.next_cursor! });

  const found = [first, second, third].map(({ data }) => data.map(({ interaction_id }) => interaction_id));
  expect(found).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
  expect(third.next_cursor).toBeNull();
});

it('shows a project nothing of another', async () => {
  const [id] = await ask(await at.aTurn(), 1);
  const stranger = randomUUID();

  expect(await query(stranger, {})).toEqual([]);
  await expect(at.reader.fetch(stranger, id!)).rejects.toMatchObject({ code: 'interaction_not_found' });
});

it('refuses a cursor that is none of its own', async () => {
  await expect(at.reader.query(randomUUID(), { limit: 5, cursor: 'e30' })).rejects.toMatchObject({
    code: 'cursor_malformed',
  });
});
