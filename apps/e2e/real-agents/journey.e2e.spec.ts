import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { nativeHarness } from '@holdfast/harnesses';
import { eventually, startFakeModel, type FakeModel, type RealAgentKind } from '@holdfast/testing';
import { createDataSource } from '@holdfast/platform-postgres';
import { startStack, type Stack } from '../test/stack.js';
import { answered, asked, called, InvokedSession, resulted, type Said } from './invoked-session.js';
import { RunnerMachine } from './runner-machine.js';

const agentsFolder = process.env['HOLDFAST_AGENTS'] ?? path.resolve(__dirname, '../../../.agents');
const A_MINUTE = 60_000;

interface Journey {
  kind: RealAgentKind;
  /** Without one Gemini CLI would have another model choose it first. */
  model?: string;
  /**
   * Whether all that a turn has said is saved while it runs. Gemini CLI writes a tool call only with its result, and
   * nobody looks into opencode's store while it works: killed, they lose what was under way, and nothing of earlier turns.
   */
  isSavedLive: boolean;
  /** The harness that goes on with the conversation; without one, nothing can be written for this one but a prompt. */
  beside?: RealAgentKind;
}

const journeys: Journey[] = [
  { kind: 'codex', isSavedLive: true, beside: 'claude' },
  { kind: 'claude', isSavedLive: true, beside: 'codex' },
  { kind: 'gemini', isSavedLive: false, model: 'gemini-2.5-pro' },
  { kind: 'opencode', isSavedLive: false },
];

describe.each(journeys)(
  'a session of the real $kind, by nothing but invoke',
  ({ kind, model: modelName, isSavedLive, beside }) => {
    let model: FakeModel;
    let stack: Stack;
    let session: InvokedSession;
    let history: Said[];
    const machines: RunnerMachine[] = [];
    const commandLine = `${kind}-cli`;

    beforeAll(async () => {
      if (!existsSync(agentsFolder)) throw new Error('the agents are missing: run "node tools/install-agents.mjs"');
      model = await startFakeModel();
      stack = await startStack({
        runner: false,
        // An api that is killed must be back before a watchdog ends the agent, on a busy machine too.
        env: { LEASE_SECONDS: '20', WATCHDOG_SECONDS: '15', STOPPING_SECONDS: '5' },
      });
      await stack.client.agents.setAgent({
        name: commandLine,
        AgentSet: { harness: kind, drive: 'cli', approvals: 'deny', ...(modelName && { model: modelName }) },
      });
    }, 2 * A_MINUTE);
    beforeEach(() => {
      session = new InvokedSession(stack, model, kind);
      history = [];
    });
    afterEach(async () => {
      for (const machine of machines.splice(0)) await machine.remove();
    }, A_MINUTE);
    afterAll(async () => {
      await stack?.stop();
      await model?.stop();
    }, A_MINUTE);

    /** Not running yet. */
    async function idleMachine(...kinds: RealAgentKind[]): Promise<RunnerMachine> {
      const made = await RunnerMachine.make({ stack, modelUrl: model.url, agentsFolder }, kinds);
      machines.push(made);
      return made;
    }

    async function machine(...kinds: RealAgentKind[]): Promise<RunnerMachine> {
      const made = await idleMachine(...(kinds.length ? kinds : [kind]));
      await made.start();
      return made;
    }

    /** A turn with a tool call that a person allows. */
    async function turnWithTool(): Promise<string> {
      const prompt = '[[ask:echo made-by-tool | tee made.txt]][[say:the first answer]]';
      history.push(asked(prompt), called('tee made.txt'), resulted('made-by-tool'), answered('the first answer'));
      return await session.turn(prompt);
    }

    /** A turn after which the model must have been sent everything so far, each once and in order. */
    async function turn(words: string, agent?: string): Promise<string> {
      history.push(asked(`[[say:${words}]]`), answered(words));
      const id = await session.turn(`[[say:${words}]]`, agent);
      session.expectSent(history);
      return id;
    }

    it(
      'is whole after every turn, wherever it runs, and stays one conversation',
      async () => {
        const ids: string[] = [];
        const versions: number[] = [];
        const conversation_ids: string[] = [];
        const note = async (id: string) => {
          ids.push(id);
          const [conversation] = await session.conversations();
          conversation_ids.push(conversation!.conversation_id);
          versions.push(conversation!.branches[0]!.version);
        };

        const first = await machine();
        await note(await turnWithTool());
        session.expectSent(history);
        await note(await turn('the second, on the same machine'));
        await first.putAway();

        const second = await machine();
        await note(await turn('the third, on another machine'));
        await second.lose();

        const third = await machine();
        await note(await turn('the fourth, on a third one'));
        await third.lose();

        await first.bringBack();
        await note(await turn('the fifth, where stale files were'));
        await note(await turn('the sixth, by the command line', commandLine));
        await note(await turn('the seventh, over the protocol again'));

        expect(new Set(ids).size).toBe(1);
        expect(new Set(conversation_ids).size).toBe(1);
        expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
        expect(await session.conversations()).toMatchObject([{ native_id: ids[0], branches: [{ is_main: true }] }]);
        expect((await session.conversations())[0]!.branches).toHaveLength(1);
      },
      5 * A_MINUTE,
    );

    it(
      'fails rather than to begin anew where its history is nowhere, unless it is told to',
      async () => {
        const first = await machine();
        await turn('known to one machine only');
        await first.lose();
        await forget(session.session_id);

        await machine();
        const sent = model.log.length;
        const failed = await session.end(await session.begin('[[say:and now?]]'));
        expect(failed).toMatchObject({ status: 'failed', error: { code: 'resume_state_missing' } });
        expect(model.log).toHaveLength(sent);

        const fresh = await session.end(await session.begin('[[say:anew]]', { fresh_start: true }));
        expect(fresh).toMatchObject({ status: 'completed', error: null });
        session.expectSent([asked('[[say:anew]]'), answered('anew')]);
      },
      3 * A_MINUTE,
    );

    it(
      'goes on with what was captured when its command line was killed in the middle of a turn',
      async () => {
        const first = await machine();
        await turnWithTool();
        const prompt = '[[say:begun]][[sleep:600000]]';
        if (isSavedLive) history.push(asked(prompt));
        const turn_id = await session.begin(prompt, { agent: commandLine });
        await eventually(() => expect(session.lastSent()).toContainEqual(expect.objectContaining(asked(prompt))), {
          timeout: 2 * A_MINUTE,
        });
        if (isSavedLive) await session.saved(/\[\[sleep:/);
        first.killAgents();
        expect(await session.end(turn_id)).toMatchObject({ status: 'failed' });
        await first.lose();

        await machine();
        await goOn('after the kill');
      },
      3 * A_MINUTE,
    );

    if (isSavedLive) {
      it(
        'keeps what a stale home has otherwise as a branch, and goes on with what was saved',
        async () => {
          const first = await machine();
          const id = await turnWithTool();
          await first.stop();
          const main = await fileOf(first, id);
          writeFileSync(main, readFileSync(main, 'utf8').replaceAll('the first answer', 'another answer'));
          await first.start();

          await turn('the second');
          const [conversation, ...others] = await session.conversations();
          expect(others).toEqual([]);
          expect(conversation!.branches.map(({ is_main }) => is_main)).toEqual([true, false]);
          const { conversation_id, branches } = conversation!;
          expect(await content({ conversation_id, branch_id: branches[1]!.branch_id })).toContain('another answer');
          expect(await content({ conversation_id })).not.toContain('another answer');
        },
        3 * A_MINUTE,
      );

      it(
        'goes on with what was captured when its program was killed in the middle of a turn',
        async () => {
          const first = await machine();
          await turnWithTool();
          const turn_id = await unanswered('[[ask:echo nobody-sees | tee a.txt]]', 'tee a.txt');
          first.killAgents();
          expect(await session.end(turn_id)).toMatchObject({ status: 'failed' });
          await first.lose();

          await machine();
          await goOn('after the kill');
        },
        3 * A_MINUTE,
      );

      it(
        'does a turn again with what was captured when its runner was killed in the middle of it',
        async () => {
          const first = await machine();
          await turnWithTool();
          const turn_id = await unanswered('[[ask:echo begun-twice | tee b.txt]][[say:done]]', 'tee b.txt');
          await first.lose();

          await machine();
          await session.allow();
          expect(await session.end(turn_id)).toMatchObject({ status: 'completed', error: null, attempt: 2 });
          history.push(
            asked('[[ask:echo begun-twice | tee b.txt]][[say:done]]'),
            called('tee b.txt'),
            resulted('begun-twice'),
            answered('done'),
          );
          session.expectHeld(history);
          await goOn('after the kill');
          expect((await session.conversations())[0]!.branches).toHaveLength(1);
        },
        4 * A_MINUTE,
      );

      it(
        'is saved once and whole when the api was killed in the middle of a turn',
        async () => {
          const first = await machine();
          await turnWithTool();
          const turn_id = await unanswered('[[ask:echo through-it | tee c.txt]][[say:done]]', 'tee c.txt');
          await stack.api.kill();
          await stack.api.start();
          await session.answer();
          expect(await session.end(turn_id)).toMatchObject({ status: 'completed', error: null, attempt: 1 });
          history.push(resulted('through-it'), answered('done'));
          session.expectSent(history);
          await first.lose();

          await machine();
          await turn('on another machine');
          expect((await session.conversations())[0]!.branches).toHaveLength(1);
        },
        4 * A_MINUTE,
      );
    }

    if (beside) {
      it(
        `goes on in ${beside} and back, and the log tells what could not be carried`,
        async () => {
          await machine(kind, beside);
          await turnWithTool();
          await turn('the second');
          await turn(`the third, by ${beside}`, beside);
          await turn(`the fourth, by ${beside}`, beside);
          await turn('the fifth', kind);
          const notices = await session.notices();
          expect(notices).toMatchObject([{ code: 'conversation_converted' }, { code: 'conversation_converted' }]);
          for (const { omitted } of notices)
            expect(omitted).toContainEqual({
              record_id: expect.any(String),
              type: 'interaction',
              reason: expect.any(String),
            });
        },
        4 * A_MINUTE,
      );
    }

    if (kind === 'codex') {
      it(
        'is found where its file lies under another date',
        async () => {
          const first = await machine();
          const id = await turnWithTool();
          const file = await fileOf(first, id);
          const second = await idleMachine(kind);
          const folder = path.join(second.home, '.codex/sessions/2001/02/03');
          mkdirSync(folder, { recursive: true });
          const elsewhere = path.join(folder, path.basename(file));
          copyFileSync(file, elsewhere);
          await first.lose();

          await second.start();
          await turn('the second');
          expect(await fileOf(second, id)).toBe(elsewhere);
          expect(readFileSync(elsewhere, 'utf8')).toContain('the second');
        },
        3 * A_MINUTE,
      );

      it(
        'is taken from an envelope that does not tell when it began, and lies under the date of its id',
        async () => {
          const first = await machine();
          const id = await turnWithTool();
          const { session_id } = session;
          const { content: read } = await stack.client.readNativeContent({
            session_id,
            as: 'envelope',
            format: 'codex_cli',
          });
          const { session_start_timestamp, ...envelope } = JSON.parse(await text(read)) as Record<string, unknown>;
          expect(session_start_timestamp).toEqual(expect.any(String));
          await first.lose();

          session = new InvokedSession(stack, model, kind);
          await stack.client.nativeTranscripts.setSessionNativeEnvelope({
            session_id: session.session_id,
            format: 'codex_cli',
            request_body: envelope,
          });
          const second = await machine();
          const before = new Date();
          await turn('the second');
          const dates = [before, new Date()].map((date) => path.join('sessions', ...dayOf(date)));
          const file = await fileOf(second, id);
          expect(dates.filter((date) => file.includes(date))).not.toEqual([]);
        },
        3 * A_MINUTE,
      );
    }

    /** A turn that waits for an answer, with what it said so far saved. */
    async function unanswered(prompt: string, command: string): Promise<string> {
      history.push(asked(prompt), called(command));
      const turn_id = await session.begin(prompt);
      await session.question();
      // In the call it is followed by a quotation mark, in the prompt by a bracket.
      await session.saved(new RegExp(`${command}[\\\\"]`));
      return turn_id;
    }

    /** A turn after one that was interrupted, which programs mark in words of their own. */
    async function goOn(words: string): Promise<void> {
      history.push(asked(`[[say:${words}]]`), answered(words));
      await session.turn(`[[say:${words}]]`);
      session.expectHeld(history);
    }

    async function fileOf(on: RunnerMachine, nativeId: string): Promise<string> {
      const place = { env: { HOME: on.home }, cwd: on.workspace(session.session_id) };
      const [main] = await nativeHarness(kind)!.locate(place, nativeId);
      return main!.path;
    }

    async function content(selector: { conversation_id: string; branch_id?: string }): Promise<string> {
      return text((await stack.client.readNativeContent({ ...selector, as: 'tar' })).content);
    }

    /** What only the loss of the database would do. */
    async function forget(session_id: string): Promise<void> {
      const options = { url: stack.databaseUrl(), poolSize: 1, applicationName: 'test' };
      const database = await createDataSource(options, []).initialize();
      await database.query('DELETE FROM native_conversations WHERE session_id = $1', [session_id]);
      await database.destroy();
    }
  },
);

function dayOf(date: Date): string[] {
  return date.toISOString().slice(0, 'YYYY-MM-DD'.length).split('-');
}
