import { randomUUID } from 'node:crypto';
import { formatOffset, LogReader } from '@holdfast/durable-streams';
import { SessionsDirectoryReader } from '@holdfast/sessions-directory';
import { SessionInteractionsReader, SessionInteractionsService } from '@holdfast/sessions-interactions';
import {
  sessionLogKey,
  SessionLogService,
  SessionStreamsReader,
  TurnBeatsService,
  TurnClaimsService,
} from '@holdfast/sessions-streams';
import { SessionsTranscriptsReader, TranscriptProjector, TranscriptRemoval } from '@holdfast/sessions-transcripts';
import { TriggerDeliveriesReader, TriggerDeliveriesService } from '@holdfast/sessions-triggers';
import { PrivateSessions, SessionAccess } from '@holdfast/platform-auth';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { TasksReader, TasksService } from '@holdfast/sessions-sharing';
import {
  AwaitStartFlow,
  CreateSessionFlow,
  DeleteSessionFlow,
  DetachWatcherFlow,
  HandOverTurnFlow,
  KillSessionFlow,
  MergePromptFlow,
  SaveNativeFlow,
  SessionInboxFlow,
  SweepOverdueTurnsFlow,
} from '../src/index.js';
import { startFlows, unlimited, type Flows, type OwnedTurn, type Project } from './flows-fixture.js';

let flows: Flows;
let project: Project;
let sessions = 0;
beforeAll(async () => {
  flows = await startFlows();
  project = await flows.newProject();
});
afterAll(() => flows.stop());

const newId = () => `deleted-${(sessions += 1)}`;
const keyOf = (session_id: string) => ({ project_id: project.project_id, session_id });
const remove = (session_id: string, key?: string) =>
  flows.app.get(DeleteSessionFlow).run(project.principal, session_id, key);
const running = async (session_id: string): Promise<OwnedTurn> => {
  await project.send(session_id);
  const turn = await project.claim(session_id);
  await project.run(turn);
  return turn;
};
const append = (turn: OwnedTurn, seq: number) => {
  const event = { type: 'agent.update', at: new Date().toISOString(), turn_id: turn.turn_id, data: { seq } };
  const events = { turn_id: turn.turn_id, messages: [Buffer.from(JSON.stringify(event))] };
  return flows.app.get(SessionLogService).appendAsRunner(turn, events, { epoch: turn.epoch, seq });
};
const notFound = { code: 'session_not_found' };

const native_id = '5f2b8c1e-0f6a-4c55-9d3e-6c1d5a1f8e22';
const ORIGIN = { home: '/home/me', root: '/home/me/.claude', cwd: '/work' };

/** Rows in which the project names the session, or what belonged to it. */
async function leftovers(session_id: string, table: string): Promise<number> {
  const [row] = await flows.sql<{ count: number }>(
    `SELECT count(*)::int AS count FROM ${table} WHERE project_id = $1 AND session_id = $2`,
    [project.project_id, session_id],
  );
  return row!.count;
}

/** What a worker does with the jobs that a delete left. */
async function workOff(): Promise<void> {
  const jobs = await flows.sql<{ id: string; job: string; payload: Record<string, never> }>(
    `SELECT id, job, payload FROM outbox WHERE project_id = $1 AND job LIKE 'remove-%' AND done_at IS NULL`,
    [project.project_id],
  );
  const removal = flows.app.get(TranscriptRemoval);
  for (const { id, job, payload } of jobs) {
    if (job === 'remove-session-records')
      await removal.removeRecords(keyOf(payload['session_id']!), payload['generation']!);
    else await removal.removeConversations(project.project_id, payload['conversation_ids']!);
    await flows.sql(`UPDATE outbox SET done_at = now() WHERE id = $1`, [id]);
  }
}

/** A session with something in every domain: ended turns, a question, a live turn and one that waits, records. */
async function lived(session_id: string) {
  const first = await running(session_id);
  const question = await project.ask(first);
  await append(first, 0);
  await project.complete(first);
  const live = await running(session_id);
  const open = await project.ask(live);
  const waiting = await project.send(session_id, { on_busy: 'queue' });
  await flows.app.get(TranscriptProjector).projectUntilCaughtUp(project.project_id, session_id);
  await flows.app
    .get(UnitOfWork)
    .run((tx) => flows.app.get(TriggerDeliveriesService).reconcile(tx, { ...first, session_id }));
  return { first, live, waiting, interactions: [question.interaction_id, open.interaction_id] };
}

describe('a deleted session', () => {
  it('is gone for everybody who asks for it: itself, its log, transcript, turns, inbox, questions, deliveries', async () => {
    const session_id = newId();
    const { first, waiting, interactions } = await lived(session_id);
    const { project_id } = project;
    expect(await leftovers(session_id, 'trigger_deliveries')).toBe(1);

    await remove(session_id);

    const { app } = flows;
    const streams = app.get(SessionStreamsReader);
    const page = { session_id, limit: 10 };
    for (const read of [
      () => app.get(SessionsDirectoryReader).fetchSession(keyOf(session_id)),
      () => app.get(SessionsTranscriptsReader).query(project_id, page),
      () => streams.fetchStream(keyOf(session_id)),
      () => streams.fetchLiveness(keyOf(session_id)),
      () => streams.queryTurns(project_id, page),
      () => streams.queryInbox(project_id, page),
    ]) {
      await expect(read()).rejects.toMatchObject(notFound);
    }
    await expect(app.get(LogReader).head(sessionLogKey(keyOf(session_id)))).rejects.toMatchObject({
      code: 'stream_not_found',
    });
    for (const turn_id of [first.turn_id, waiting]) {
      await expect(project.turn(turn_id)).rejects.toMatchObject({ code: 'turn_not_found' });
    }
    for (const interaction_id of interactions) {
      const respond = app
        .get(SessionInteractionsService)
        .respond(project_id, interaction_id, { decision: 'allow' }, project.principal.key_id);
      await expect(respond).rejects.toMatchObject({ code: 'interaction_not_found' });
    }
    expect((await app.get(SessionInteractionsReader).query(project_id, { limit: 50 })).data).not.toContainEqual(
      expect.objectContaining({ session_id }),
    );
    expect((await app.get(TriggerDeliveriesReader).query(project_id, page)).data).toEqual([]);
    const listed = await app
      .get(SessionsDirectoryReader)
      .querySessions(project_id, { limit: 200, archived: 'include' });
    expect(listed.data.map((session) => session.session_id)).not.toContain(session_id);
    expect((await streams.queryStreams(project_id, { session_ids: [session_id], limit: 5 })).data).toEqual([]);
  });

  it('is nothing to command: each command that makes no session answers 404', async () => {
    const session_id = newId();
    const { live, waiting } = await lived(session_id);
    await remove(session_id);
    const { app } = flows;
    for (const command of [
      () => project.cancel(session_id),
      () => project.invoke({ session_id, turn_id: live.turn_id }),
      () => project.invoke({ session_id, force: true, detached: true }),
      () => app.get(KillSessionFlow).run(project.principal, session_id),
      () => app.get(DetachWatcherFlow).run(keyOf(session_id), live.turn_id),
      () => app.get(SessionInboxFlow).reorder(keyOf(session_id), [waiting]),
      () => app.get(SessionInboxFlow).withdraw(project.principal, session_id, waiting),
      () => remove(session_id),
    ]) {
      await expect(command()).rejects.toMatchObject(notFound);
    }
  });

  it('has its runner told to end the agent, and gives its slot back', async () => {
    const session_id = newId();
    const live = await running(session_id);
    const waiting = await project.send(session_id, { on_busy: 'queue' });
    expect(await remove(session_id)).toEqual({
      session_id,
      turn_id: live.turn_id,
      withdrawn_turn_ids: [waiting],
    });
    expect((await project.commands()).filter(({ turn_id }) => turn_id === live.turn_id)).toEqual([
      expect.objectContaining({ type: 'kill', epoch: live.epoch }),
    ]);
    expect(await leftovers(session_id, 'project_turn_slots')).toBe(0);
  });

  it('leaves only its id, generation and fence, and who deleted it', async () => {
    const session_id = newId();
    await flows.app
      .get(CreateSessionFlow)
      .run(keyOf(session_id), { name: 'A secret name', labels: { team: 'red' } }, project.principal.key_id);
    await lived(session_id);
    await remove(session_id);
    await workOff();

    const rows = await flows.sql(
      `SELECT name, labels, generation, deleted_at IS NOT NULL AS deleted, deleted_by_id FROM sessions
        WHERE project_id = $1 AND session_id = $2`,
      [project.project_id, session_id],
    );
    expect(rows).toEqual([
      { name: null, labels: {}, generation: 1, deleted: true, deleted_by_id: project.principal.key_id },
    ]);
    const tables = await flows.sql<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name = 'session_id' AND table_name NOT IN ('sessions', 'session_fences')`,
    );
    expect(tables.length).toBeGreaterThan(8);
    for (const { name } of tables) expect([name, await leftovers(session_id, name)]).toEqual([name, 0]);
  });

  it('moves its epoch also where nothing ran any more', async () => {
    const session_id = newId();
    const turn = await running(session_id);
    await project.complete(turn);
    await remove(session_id);
    await expect(project.ask(turn)).rejects.toMatchObject({ code: 'stale_epoch', members: { epoch: turn.epoch } });
  });

  it('of another project stays as it is, also where the id is the same', async () => {
    const session_id = newId();
    const stranger = await flows.newProject();
    const turn_id = await stranger.send(session_id);
    await expect(remove(session_id)).rejects.toMatchObject(notFound);
    await project.send(session_id);
    await remove(session_id);
    expect(await stranger.turn(turn_id)).toMatchObject({ status: 'queued' });
    expect(await stranger.types(session_id)).toEqual(['session.created', 'turn.queued']);
  });

  it('answers whoever waited for its turn to start that there is none', async () => {
    const session_id = newId();
    const invoke = { session_id, prompt: 'hello', detached: true, start_within_ms: 30_000 };
    const invoked = await project.invoke(invoke);
    const waiting = flows.app.get(AwaitStartFlow).run(keyOf(session_id), invoked, invoke, unlimited);
    const [outcome] = await Promise.allSettled([waiting, remove(session_id)]);
    expect(outcome).toMatchObject({ status: 'rejected', reason: notFound });
  });

  it('leaves nothing to the jobs and sweeps that come after it', async () => {
    const session_id = newId();
    const { first } = await lived(session_id);
    await remove(session_id);
    expect(await flows.app.get(TranscriptProjector).projectUntilCaughtUp(project.project_id, session_id)).toBe(true);
    await flows.app.get(SweepOverdueTurnsFlow).run();
    await flows.app
      .get(UnitOfWork)
      .run((tx) => flows.app.get(TriggerDeliveriesService).reconcile(tx, { ...first, session_id }));
    expect(await leftovers(session_id, 'trigger_deliveries')).toBe(0);
  });
});

describe('a late runner of a deleted session', () => {
  /** Every write that a runner makes for a turn. */
  const WRITES: [string, (turn: OwnedTurn) => Promise<unknown>, string[]][] = [
    ['an append', async (turn) => outcomeOf(await append(turn, 1)), ['stream_not_found', 'stale_epoch']],
    ['a completion', (turn) => project.complete(turn), ['turn_not_found']],
    ['a question', (turn) => project.ask(turn), ['stale_epoch']],
    [
      'an answer that was taken',
      (turn) => flows.app.get(SessionInteractionsService).resolve(turn, randomUUID()),
      ['stale_epoch'],
    ],
    [
      'a hand-over',
      ({ project_id, ...fence }) => flows.app.get(HandOverTurnFlow).run(project_id, { ...fence, reason: 'drain' }),
      ['turn_not_found'],
    ],
    [
      'a merged prompt',
      ({ project_id, ...fence }) =>
        flows.app.get(MergePromptFlow).run(project_id, { ...fence, merged_turn_id: randomUUID() }),
      ['turn_not_found'],
    ],
    [
      'a save of its conversation',
      ({ project_id, session_id, turn_id, epoch }) =>
        flows.app.get(SaveNativeFlow).open(
          {
            kind: 'turn',
            project_id,
            key_id: project.runner.key_id,
            permissions: [],
            turn: { session_id, turn_id, epoch },
          } as never,
          { session_id, turn_id, epoch, harness: 'claude', native_id, origin: ORIGIN },
          { create: true },
        ),
      ['stale_epoch'],
    ],
  ];
  const outcomeOf = (outcome: Awaited<ReturnType<typeof append>>) => {
    if (outcome.kind === 'refused') throw outcome.error;
    return outcome;
  };

  describe.each([
    ['while it is gone', async () => undefined],
    ['after it was made again', (session_id: string) => project.send(session_id)],
    [
      'after another turn of it runs',
      async (session_id: string) => {
        await running(session_id);
      },
    ],
  ])('%s', (_, then) => {
    it.each(WRITES)('is refused %s, and brings nothing back', async (__, write, codes) => {
      const session_id = newId();
      const turn = await running(session_id);
      await remove(session_id);
      await then(session_id);
      const before = await everything(session_id);
      const refusal = await write(turn).then(
        () => ({ code: 'accepted' }),
        (error: { code: string }) => error,
      );
      expect([...codes, 'stale_epoch']).toContain(refusal.code);
      expect(await everything(session_id)).toEqual(before);
    });

    it('is told by its beat that it owns nothing', async () => {
      const session_id = newId();
      const { turn_id, epoch } = await running(session_id);
      await remove(session_id);
      await then(session_id);
      const before = await everything(session_id);
      const beat = { session_id, turn_id, epoch, status: 'running' as const, agent_session_id: 'late' };
      expect(await flows.app.get(TurnBeatsService).beat(project.runner, [beat])).toEqual([
        expect.objectContaining({ is_current: false }),
      ]);
      expect(await everything(session_id)).toEqual(before);
    });
  });

  it('is given nothing of it under the name of its claim', async () => {
    const session_id = newId();
    await project.send(session_id);
    const claim_id = randomUUID();
    const claims = flows.app.get(TurnClaimsService);
    const claim = () => claims.claim(project.runner, 1, 0, unlimited, claim_id);
    let claimed = await claim();
    while (claimed.length === 0) claimed = await claim();
    await remove(session_id);
    expect(await claim()).toEqual([]);
  });

  /** All rows of the session. */
  async function everything(session_id: string) {
    const at = [project.project_id, session_id];
    const of = (table: string) => flows.sql(`SELECT * FROM ${table} WHERE project_id = $1 AND session_id = $2`, at);
    return {
      directory: await of('sessions'),
      fence: await of('session_fences'),
      turns: await of('session_turns'),
      questions: await of('session_interactions'),
      saves: await of('native_saves'),
      log: await flows.sql(`SELECT tail, epoch FROM log_streams WHERE project_id = $1 AND path = $2`, [
        at[0],
        sessionLogKey(keyOf(session_id)).path,
      ]),
    };
  }
});

describe('a session that is made again under the id of a deleted one', () => {
  it('goes on with its fence and generation, and shows nothing of the life before', async () => {
    const session_id = newId();
    await flows.app
      .get(CreateSessionFlow)
      .run(keyOf(session_id), { name: 'Before', labels: { a: 'b' } }, project.principal.key_id);
    const { first, live, waiting } = await lived(session_id);
    await remove(session_id);

    const turn_id = await project.send(session_id);

    const { app } = flows;
    const { project_id } = project;
    expect(await app.get(SessionsDirectoryReader).fetchSession(keyOf(session_id))).toMatchObject({
      name: null,
      labels: {},
      archived_at: null,
    });
    expect(await project.types(session_id)).toEqual(['session.created', 'turn.queued']);
    const { data: turns } = await app.get(SessionStreamsReader).queryTurns(project_id, { session_id, limit: 10 });
    expect(turns).toEqual([expect.objectContaining({ turn_id, turn_index: 0 })]);
    expect(await project.inbox(session_id)).toEqual([]);
    for (const gone of [first.turn_id, live.turn_id, waiting]) {
      await expect(project.turn(gone)).rejects.toMatchObject({ code: 'turn_not_found' });
    }
    const questions = await app.get(SessionInteractionsReader).query(project_id, { session_id, limit: 10 });
    expect(questions.data).toEqual([]);
    await app.get(TranscriptProjector).projectUntilCaughtUp(project_id, session_id);
    const transcript = await app.get(SessionsTranscriptsReader).query(project_id, { session_id, limit: 50 });
    expect(new Set(transcript.data.map((record) => record.turn_id))).toEqual(
      new Set(transcript.data.length ? [turn_id] : []),
    );
    const again = await project.claim(session_id);
    expect(again.epoch).toBeGreaterThan(live.epoch + 1);
    expect(
      await flows.sql(`SELECT generation FROM sessions WHERE project_id = $1 AND session_id = $2`, [
        project_id,
        session_id,
      ]),
    ).toEqual([{ generation: 2 }]);
  });

  it('keeps what it has when the jobs of the life before are worked off late', async () => {
    const session_id = newId();
    await lived(session_id);
    await remove(session_id);
    const turn = await running(session_id);
    await append(turn, 0);
    await project.complete(turn);
    await flows.app.get(TranscriptProjector).projectUntilCaughtUp(project.project_id, session_id);
    const read = () => flows.app.get(SessionsTranscriptsReader).query(project.project_id, { session_id, limit: 50 });
    const before = await read();
    expect(before.data.length).toBeGreaterThan(0);
    await workOff();
    expect(await read()).toEqual(before);
    const [kept] = await flows.sql<{ generations: number[] }>(
      `SELECT array_agg(DISTINCT generation) AS generations FROM session_records WHERE project_id = $1 AND session_id = $2`,
      [project.project_id, session_id],
    );
    expect(kept!.generations).toEqual([2]);
  });

  it('answers an offset of the life before with 410 and the earliest that can be read', async () => {
    const session_id = newId();
    await lived(session_id);
    const { generation, tail } = await flows.app.get(LogReader).head(sessionLogKey(keyOf(session_id)));
    await remove(session_id);
    await project.send(session_id);
    for (const position of [0, 1, tail]) {
      const offset = formatOffset({ generation, position });
      await expect(flows.app.get(LogReader).locate(sessionLogKey(keyOf(session_id)), offset)).rejects.toMatchObject({
        code: 'offset_gone',
        members: { earliest_offset: formatOffset({ generation: generation + 1, position: 0 }) },
      });
    }
  });

  it('is made once when many ask at the same time', async () => {
    const session_id = newId();
    await project.send(session_id);
    await remove(session_id);
    const made = await Promise.all(
      Array.from({ length: 4 }, () => flows.app.get(CreateSessionFlow).run(keyOf(session_id), {}, randomUUID())),
    );
    expect(made.filter(({ created }) => created)).toHaveLength(1);
    expect(await project.types(session_id)).toEqual(['session.created']);
  });

  it('is not made by a prompt that is repeated under a key of the life before', async () => {
    const session_id = newId();
    const key = randomUUID();
    const invoke = { session_id, prompt: 'once', detached: true, start_within_ms: 0 };
    const invoked = await project.invoke(invoke, key);
    await remove(session_id);

    expect(await project.invoke(invoke, key)).toMatchObject({ turn_id: invoked.turn_id });
    const answer = flows.app.get(AwaitStartFlow).run(keyOf(session_id), invoked, invoke, unlimited);
    await expect(answer).rejects.toMatchObject(notFound);
    await expect(project.stream(session_id)).rejects.toMatchObject(notFound);

    const next = await project.send(session_id);
    expect(await project.invoke(invoke, key)).toMatchObject({ turn_id: invoked.turn_id });
    expect(await project.types(session_id)).toEqual(['session.created', 'turn.queued']);
    expect((await project.stream(session_id)).current_turn_id).toBe(next);
  });

  it('is not touched by a delete that is repeated under its key', async () => {
    const session_id = newId();
    await project.send(session_id);
    const key = randomUUID();
    const deleted = await remove(session_id, key);
    const turn_id = await project.send(session_id);
    expect(await remove(session_id, key)).toEqual(deleted);
    expect(await project.turn(turn_id)).toMatchObject({ status: 'queued' });
  });
});

describe('the task of a deleted session', () => {
  const tasks = () => flows.app.get(TasksService);
  const taskOf = (session_id: string) =>
    tasks().create(project.principal, { name: 'worker', session_id, location: 'remote' });
  const fetch = (task_id: string) => flows.app.get(TasksReader).fetch(project.principal, task_id);
  const told = async (task_id: string) =>
    (
      await flows.sql<{ state: string; session_id: string | null }>(
        `SELECT event->'data'->'task'->>'state' AS state, event->'data'->'task'->>'session_id' AS session_id
           FROM task_activity WHERE project_id = $1 AND event->>'task_id' = $2 ORDER BY id DESC LIMIT 1`,
        [project.project_id, task_id],
      )
    )[0];

  it('is cancelled where it worked, and stays in its tree without a session', async () => {
    const session_id = newId();
    await running(session_id);
    const { task_id } = await taskOf(session_id);
    expect(await fetch(task_id)).toMatchObject({ state: 'in_progress', session_id });
    await remove(session_id);
    expect(await fetch(task_id)).toMatchObject({ state: 'cancelled', session_id: null });
    expect(await told(task_id)).toEqual({ state: 'cancelled', session_id: null });
  });

  it('is cancelled where nothing had run yet', async () => {
    const session_id = newId();
    await flows.app.get(CreateSessionFlow).run(keyOf(session_id), {}, project.principal.key_id);
    const { task_id } = await taskOf(session_id);
    await remove(session_id);
    expect(await fetch(task_id)).toMatchObject({ state: 'cancelled', session_id: null });
  });

  it('stays as it ended, and follows nothing that the session does when it is made again', async () => {
    const session_id = newId();
    const { task_id } = await taskOf((await project.complete(await running(session_id))).session_id);
    expect(await fetch(task_id)).toMatchObject({ state: 'succeeded' });
    await remove(session_id);
    expect(await fetch(task_id)).toMatchObject({ state: 'succeeded', session_id: null });
    expect(await told(task_id)).toEqual({ state: 'succeeded', session_id: null });

    await running(session_id);
    expect(await fetch(task_id)).toMatchObject({ state: 'succeeded', session_id: null });
    expect((await taskOf(session_id)).task_id).not.toBe(task_id);
  });
});

describe('a private session', () => {
  it('is deleted by nobody but whose it is, however early they were let in', async () => {
    const session_id = newId();
    const another = await project.newKey();
    const privacy = flows.app.get(PrivateSessions);
    await flows.app.get(UnitOfWork).run((tx) => privacy.add(tx, keyOf(session_id), project.principal.key_id));
    const turn_id = await project.send(session_id);
    await expect(flows.app.get(DeleteSessionFlow).run(another, session_id)).rejects.toMatchObject(notFound);
    expect(await project.turn(turn_id)).toMatchObject({ status: 'queued' });
  });

  it('that is deleted leaves its id to everybody: made again it is seen by all', async () => {
    const session_id = newId();
    const another = await project.newKey();
    const access = flows.app.get(SessionAccess);
    const privacy = flows.app.get(PrivateSessions);
    await flows.app.get(UnitOfWork).run((tx) => privacy.add(tx, keyOf(session_id), project.principal.key_id));
    await project.send(session_id);
    await expect(access.require(another, session_id, 'reader')).rejects.toMatchObject(notFound);

    await remove(session_id);
    await project.send(session_id);
    await access.require(another, session_id, 'reader');
  });
});
