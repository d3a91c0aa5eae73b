import { SessionInteractionsReader, SessionInteractionsService } from '@holdfast/sessions-interactions';
import { SessionsTranscriptsReader } from '@holdfast/sessions-transcripts';
import { MergePromptFlow, ProjectLaggingLogsFlow } from '../src/index.js';
import { startFlows, unlimited, type Flows, type Project } from './flows-fixture.js';

describe('what a turn leaves in other domains', () => {
  let flows: Flows;
  let project: Project;
  let sessions = 0;
  beforeAll(async () => {
    flows = await startFlows();
    project = await flows.newProject();
  });
  afterAll(() => flows.stop());

  const newId = () => `s-${(sessions += 1)}`;
  const running = async (session_id: string) => {
    await project.send(session_id);
    const turn = await project.claim(session_id);
    await project.run(turn);
    return turn;
  };
  const transcript = async (session_id: string) => {
    await flows.app.get(ProjectLaggingLogsFlow).run(unlimited);
    return flows.app.get(SessionsTranscriptsReader).query(project.project_id, { session_id, limit: 50 });
  };

  it('ending it closes its open questions first, and leaves a job for its transcript', async () => {
    const session_id = newId();
    const turn = await running(session_id);
    const question = await project.ask(turn);
    await project.complete(turn);
    expect((await project.types(session_id)).slice(-2)).toEqual(['interaction.cancelled', 'turn.completed']);
    expect(
      await flows.app.get(SessionInteractionsReader).fetch(project.project_id, question.interaction_id),
    ).toMatchObject({ status: 'cancelled' });
    const jobs = await flows.sql<{ job: string }>(
      `SELECT job FROM outbox WHERE project_id = $1 AND payload->>'session_id' = $2`,
      [project.project_id, session_id],
    );
    expect(jobs.map(({ job }) => job)).toContain('project-session-transcript');
  });

  it('an answer is a command to the runner that asked, in the commit that records it', async () => {
    const session_id = newId();
    const turn = await running(session_id);
    const question = await project.ask(turn);
    await flows.app
      .get(SessionInteractionsService)
      .respond(project.project_id, question.interaction_id, { decision: 'allow' }, project.principal.key_id);
    expect((await project.commands()).at(-1)).toMatchObject({
      type: 'answer',
      session_id,
      turn_id: turn.turn_id,
      epoch: turn.epoch,
      interaction_id: question.interaction_id,
      verdict: { decision: 'allow' },
    });
  });

  it('a log that nobody hinted at is projected all the same', async () => {
    const session_id = newId();
    await project.send(session_id);
    const page = await transcript(session_id);
    expect(page.projected_offset).toBe(page.tail_offset);
    expect(page.data.map(({ type }) => type)).toEqual(['user_message']);
  });

  it('C14: a prompt that only waited is no part of the transcript, and interrupts nothing of the live turn', async () => {
    const session_id = newId();
    const turn = await running(session_id);
    const waiting = await project.send(session_id, { prompt: 'never said', on_busy: 'queue' });
    await project.withdraw(session_id, waiting);
    await project.complete(turn);
    const { data } = await transcript(session_id);
    expect(data.map(({ type, turn_id }) => [type, turn_id])).toEqual([
      ['user_message', turn.turn_id],
      ['turn_end', turn.turn_id],
    ]);
  });

  it('a superseded turn ends in the transcript before the prompt that replaced it', async () => {
    const session_id = newId();
    const turn = await running(session_id);
    await project.send(session_id, { prompt: 'rather this', force: true });
    await project.complete(turn, 'cancelled');
    const { data } = await transcript(session_id);
    expect(data.map(({ type, content }) => [type, content['status'] ?? content['prompt']])).toEqual([
      ['user_message', 'hello'],
      ['turn_end', 'superseded'],
      ['user_message', 'rather this'],
    ]);
  });

  it('a prompt that the live turn took stands in the transcript where it was taken', async () => {
    const session_id = newId();
    const turn = await running(session_id);
    const merged_turn_id = await project.send(session_id, { prompt: 'also this', force: true, delivery: 'in_turn' });
    const merged = await flows.app.get(MergePromptFlow).run(project.project_id, { ...turn, merged_turn_id });
    expect(merged).toMatchObject({ status: 'merged', turn_index: null });
    await project.complete(turn);
    expect((await project.events(session_id)).find(({ type }) => type === 'turn.merged')).toMatchObject({
      turn_id: merged_turn_id,
      data: { into_turn_id: turn.turn_id, prompt: 'also this' },
    });
    const { data } = await transcript(session_id);
    expect(data.map(({ type, content }) => [type, content['status'] ?? content['prompt']])).toEqual([
      ['user_message', 'hello'],
      ['user_message', 'also this'],
      ['turn_end', 'completed'],
    ]);
  });
});
