import { SaveNativeFlow, CreateSessionFlow, DeleteSessionFlow, InvokeSessionFlow } from '../src/index.js';
import { SessionLogService, TurnBeatsService } from '@holdfast/sessions-streams';
import { TranscriptProjector } from '@holdfast/sessions-transcripts';
import { startFlows, type Flows, type OwnedTurn, type Project } from './flows-fixture.js';

/** Two processes of the api on one database: what one of them does to a session, while the other one deletes it. */
let first: Flows;
let second: Flows;
let project: Project;
beforeAll(async () => {
  first = await startFlows();
  second = await startFlows({}, first);
  project = await first.newProject();
});
afterAll(async () => {
  await second?.stop();
  await first?.stop();
});

const ROUNDS = 12;
let sessions = 0;
const keyOf = (session_id: string) => ({ project_id: project.project_id, session_id });
const remove = (session_id: string) => second.app.get(DeleteSessionFlow).run(project.principal, session_id);

const append = (turn: OwnedTurn, seq: number) => {
  const event = { type: 'agent.update', at: new Date().toISOString(), turn_id: turn.turn_id, data: {} };
  const events = { turn_id: turn.turn_id, messages: [Buffer.from(JSON.stringify(event))] };
  return first.app.get(SessionLogService).appendAsRunner(turn, events, { epoch: turn.epoch, seq });
};
const beat = ({ session_id, turn_id, epoch }: OwnedTurn) =>
  first.app.get(TurnBeatsService).beat(project.runner, [{ session_id, turn_id, epoch, status: 'running' }]);
const push = (session_id: string, native_id: string) =>
  first.app.get(SaveNativeFlow).open(
    project.principal,
    {
      session_id,
      harness: 'claude',
      native_id,
      origin: { home: '/home/me', root: '/home/me/.claude', cwd: '/work' },
    },
    { create: true },
  );

/** Rows of the session in every table that names one. */
async function rowsOf(session_id: string): Promise<Record<string, number>> {
  const tables = await first.sql<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.columns
      WHERE table_schema = 'public' AND column_name = 'session_id'
        AND table_name NOT IN ('sessions', 'session_fences', 'session_records', 'session_transcripts') ORDER BY 1`,
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await first.sql<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${name} WHERE project_id = $1 AND session_id = $2`,
      Object.values(keyOf(session_id)),
    );
    if (row!.count > 0) counts[name] = row!.count;
  }
  const [log] = await first.sql<{ count: number }>(
    `SELECT count(*)::int AS count FROM log_streams WHERE project_id = $1 AND path = $2`,
    [project.project_id, `sessions/${session_id}/events`],
  );
  if (log!.count > 0) counts['log_streams'] = log!.count;
  return counts;
}

const state = async (session_id: string) => {
  const [row] = await first.sql<{ is_deleted: boolean; generation: number; gone: boolean }>(
    `SELECT f.is_deleted, s.generation, s.deleted_at IS NOT NULL AS gone
       FROM session_fences f JOIN sessions s USING (project_id, session_id) WHERE project_id = $1 AND session_id = $2`,
    Object.values(keyOf(session_id)),
  );
  return row!;
};

/** Nothing but what a refusal, or nothing at all, came to. */
const REFUSALS = ['stale_epoch', 'turn_not_found', 'stream_not_found', 'session_not_found', 'turn_not_live'];

async function codeOf(attempt: Promise<unknown>): Promise<string | undefined> {
  try {
    const outcome = (await attempt) as { kind?: string; error?: { code: string } } | undefined;
    return outcome?.kind === 'refused' ? outcome.error!.code : undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

describe('of a delete and', () => {
  it.each<[string, (turn: OwnedTurn) => Promise<unknown>[]]>([
    ['appends', (turn) => [append(turn, 0), append(turn, 1), append(turn, 2)]],
    ['a completion', (turn) => [project.complete(turn)]],
    ['beats', (turn) => [beat(turn), beat(turn)]],
    ['a question', (turn) => [project.ask(turn)]],
    [
      'a projection',
      ({ project_id, session_id }) => [first.app.get(TranscriptProjector).projectUntilCaughtUp(project_id, session_id)],
    ],
    ['a kill, a cancel and an attach', ({ session_id }) => [project.kill(session_id), project.cancel(session_id)]],
  ])('%s either may come first: nothing is left, and whoever is late is refused', async (_, writes) => {
    for (let round = 0; round < ROUNDS; round++) {
      const session_id = `raced-${(sessions += 1)}`;
      await project.send(session_id);
      const turn = await project.claim(session_id);
      await project.run(turn);
      const [removed, ...codes] = await Promise.all([codeOf(remove(session_id)), ...writes(turn).map(codeOf)]);
      expect(removed).toBeUndefined();
      for (const code of codes) if (code !== undefined) expect([...REFUSALS, 'no_live_turn']).toContain(code);
      expect(await rowsOf(session_id)).toEqual({});
      expect(await state(session_id)).toEqual({ is_deleted: true, generation: 1, gone: true });
    }
  });

  it('a claim either may come first: nobody owns anything of what is gone', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const another = await first.newProject();
      const session_id = `raced-${(sessions += 1)}`;
      await another.send(session_id);
      const deleting = second.app.get(DeleteSessionFlow).run(another.principal, session_id);
      const [claimed] = await Promise.all([another.claimAll(), deleting]);
      for (const owned of claimed) {
        await expect(another.complete(owned)).rejects.toMatchObject({ code: 'turn_not_found' });
        await expect(another.ask(owned)).rejects.toMatchObject({ code: 'stale_epoch' });
      }
      expect(await another.claimAll()).toEqual([]);
    }
  });

  it('a prompt, a push and a PUT either may come first: the session is gone, or another one with all that it needs', async () => {
    const outcomes = new Set<boolean>();
    for (let round = 0; round < ROUNDS * 2; round++) {
      const session_id = `raced-${(sessions += 1)}`;
      const before = await project.send(session_id);
      await project.cancel(session_id);
      const writes = [
        () =>
          first.app
            .get(InvokeSessionFlow)
            .run(project.principal, { session_id, prompt: 'x', detached: true }, undefined),
        () => push(session_id, '5f2b8c1e-0f6a-4c55-9d3e-6c1d5a1f8e22'),
        () => first.app.get(CreateSessionFlow).run(keyOf(session_id), {}, project.principal.key_id),
      ];
      const [removed, written] = await Promise.all([codeOf(remove(session_id)), codeOf(writes[round % 3]!())]);
      expect([removed, written]).toEqual([undefined, undefined]);

      const { is_deleted, gone, generation } = await state(session_id);
      expect(is_deleted).toBe(gone);
      outcomes.add(gone);
      await expect(project.turn(before)).rejects.toMatchObject({ code: 'turn_not_found' });
      if (gone) {
        expect(await rowsOf(session_id)).toEqual({});
      } else {
        expect(generation).toBe(2);
        expect((await project.types(session_id))[0]).toBe('session.created');
        expect(await rowsOf(session_id)).toMatchObject({ session_streams: 1, log_streams: 1 });
        expect((await project.stream(session_id)).tail_offset).toMatch(/^0{15}2_/);
      }
    }
    expect(outcomes.size).toBeGreaterThan(0);
  });

  it('another one, one deletes it', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const session_id = `raced-${(sessions += 1)}`;
      await project.send(session_id);
      const other = first.app.get(DeleteSessionFlow).run(project.principal, session_id);
      const codes = await Promise.all([codeOf(remove(session_id)), codeOf(other)]);
      expect(codes.sort()).toEqual(['session_not_found', undefined].sort());
    }
  });
});
