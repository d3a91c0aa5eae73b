import { randomUUID } from 'node:crypto';
import type { KeyPrincipal } from '@holdfast/platform-auth';
import { isDomainError } from '@holdfast/platform-errors';
import type { SessionKey, TurnFence } from '@holdfast/platform-postgres';
import { SessionInteractionsService } from '@holdfast/sessions-interactions';
import {
  parseRunnerEvents,
  SessionLogService,
  TurnClaimsService,
  type RunnerReplica,
  type SessionStreamInvoke,
} from '@holdfast/sessions-streams';
import {
  AwaitStartFlow,
  BeatTurnsFlow,
  ClaimTurnsFlow,
  CompleteTurnFlow,
  DetachWatcherFlow,
  HandOverTurnFlow,
  InvokeSessionFlow,
  KillSessionFlow,
  MergePromptFlow,
  SessionInboxFlow,
  SweepOverdueTurnsFlow,
} from '../../src/index.js';
import { checkEffect, expectationOf, isCurrent } from './expectations.js';
import { checkLog, checkQuestions, checkRows, Memory } from './invariants.js';
import { LEASE_SECONDS, type Processes, type Project } from './processes.js';
import { RUNNERS, SESSIONS, type Op, type Step } from './steps.js';
import { stateOf, type SessionState } from './state.js';

const CAPACITY = 2;
/** More than all that a run can have begun. */
const MOST_ROUNDS = 200;

/** A turn as a runner was given it. */
interface Grant extends TurnFence {
  runner: Runner;
  /** Batches that it has appended. */
  seq: number;
}

interface Runner {
  replica: RunnerReplica;
  /** What it believes to own. */
  grants: Grant[];
}

/** A command under its key, and what came of it. */
interface Sent {
  by: KeyPrincipal;
  invoke: SessionStreamInvoke;
  key: string;
  turn_id: string | undefined;
}

/** Whoever sends a prompt. */
type Prompt = Extract<Op, { guest: boolean }>;

/** How one operation ended: with a value, or with the code of an error of ours. Anything else fails the run. */
type Outcome = { value: unknown; code?: undefined } | { code: string; value?: undefined };

/** One run: some sessions and runners in a project of their own, on two processes. */
export class Play {
  private readonly memory = new Memory();
  private readonly sent: Sent[] = [];
  private readonly watchers: string[] = [];
  private readonly questions: string[] = [];
  private readonly allGrants: Grant[] = [];
  private readonly trail: string[] = [];
  private project!: Project;
  private host!: KeyPrincipal;
  private guest!: KeyPrincipal;
  private sessions!: SessionKey[];
  private runners: Runner[] = [];
  private prompts = 0;

  constructor(
    private readonly on: Processes,
    private readonly clock: { jump(hours: number): void; real(): number },
  ) {}

  /** Throws with the way that led there what is not as it should be. */
  async run(steps: Step[]): Promise<void> {
    this.project = await this.on.newProject();
    this.host = this.project.principal;
    this.guest = await this.project.newKey();
    const { project_id } = this.project;
    this.sessions = Array.from({ length: SESSIONS }, (_, n) => ({
      project_id,
      session_id: `${'abc'[n]}-${randomUUID()}`,
    }));
    for (let n = 0; n < RUNNERS; n += 1) this.runners.push(await this.newRunner());
    try {
      for (const step of steps) await this.take(step);
      await this.drain();
    } catch (error) {
      throw new Error(`${(error as Error).message}\n\nafter\n${this.trail.join('\n')}`, { cause: error });
    }
  }

  private async take(step: Step): Promise<void> {
    if ('at_once' in step) {
      if (step.at_once.length === 1) await this.alone(step.at_once[0]!);
      else await Promise.all(step.at_once.map((op) => this.perform(op)));
    } else {
      this.trail.push(JSON.stringify(step));
      await this.befall(step);
    }
    await this.check();
  }

  /** Nobody interferes, so that the answer is known before, and what it does. */
  private async alone(op: Op): Promise<void> {
    const before = await this.states();
    const grant = 'nth' in op ? this.grantOf(op) : undefined;
    const session_id = grant?.session_id ?? ('session' in op ? this.sessionOf(op).session_id : '');
    const state = before.get(session_id);
    const expected = expectationOf(op, state, grant);
    const { code, value } = await this.perform(op);
    if (expected) expect({ op, code }).toEqual({ op, code: expected.code });
    if (op.do === 'claim') this.checkClaim(op, before, value as object[]);
    const after = (await this.states()).get(session_id);
    const turn_id = (value as { turn_id?: string } | undefined)?.turn_id;
    const isOwner = state !== undefined && grant !== undefined && isCurrent(grant, state);
    if (state && after && !code) checkEffect(op, state, after, { turn_id, isOwner });
  }

  /** Whoever has room gets what is in line, and never more than he has room for. */
  private checkClaim(
    { runner, capacity }: Extract<Op, { do: 'claim' }>,
    states: Map<string, SessionState>,
    granted: object[],
  ): void {
    const { replica_id } = this.runners[runner]!.replica;
    const queued = [...states.values()].filter(({ live }) => live?.status === 'queued');
    const owned = [...states.values()].filter(({ stream }) => stream.owner_replica_id === replica_id);
    const held = owned.filter(({ stream }) => stream.lease_until! > new Date(this.clock.real()));
    const room = Math.max(0, Math.min(capacity, CAPACITY - held.length));
    expect(granted).toHaveLength(Math.min(room, queued.length));
  }

  private async perform(op: Op): Promise<Outcome> {
    const outcome = await this.attempt(op);
    this.trail.push(`${JSON.stringify(op)} → ${outcome.code ?? JSON.stringify(outcome.value) ?? 'done'}`);
    return outcome;
  }

  private async attempt(op: Op): Promise<Outcome> {
    try {
      return { value: await this.succeed(op) };
    } catch (error) {
      if (isDomainError(error)) return { code: error.code };
      throw new Error(`${JSON.stringify(op)} failed: ${(error as Error).stack}`, { cause: error });
    }
  }

  private async succeed(op: Op): Promise<unknown> {
    const process = this.on.processes[op.process]!;
    switch (op.do) {
      case 'send':
        return this.prompt(op, {});
      case 'stay':
        return this.prompt(op, { detached: false });
      case 'queue':
        return this.prompt(op, { on_busy: 'queue' });
      case 'steer':
        return this.prompt(op, { force: true });
      case 'steer in turn':
        return this.prompt(op, { force: true, delivery: 'in_turn' });
      case 'start or withdraw':
        return this.startOrWithdraw(op);
      case 'cancel':
        return this.invoke(op, this.host, { session_id: this.sessionOf(op).session_id });
      case 'attach':
        return this.invoke(op, this.host, { session_id: this.sessionOf(op).session_id, force: true });
      case 'repeat':
        return this.repeat(op);
      case 'kill':
        return process.get(KillSessionFlow).run(this.host, this.sessionOf(op).session_id);
      case 'detach': {
        const watcher_id = nthOf(this.watchers, op.nth);
        return watcher_id && process.get(DetachWatcherFlow).run(this.sessionOf(op), watcher_id);
      }
      case 'withdraw': {
        const entry = nthOf(await this.inboxOf(op), op.nth);
        return (
          entry && process.get(SessionInboxFlow).withdraw(this.host, this.sessionOf(op).session_id, entry).then(idOf)
        );
      }
      case 'reorder': {
        const waiting = await this.inboxOf(op);
        const by = waiting.length && op.nth % waiting.length;
        if (!waiting.length) return undefined;
        const order = [...waiting.slice(by), ...waiting.slice(0, by)];
        return process
          .get(SessionInboxFlow)
          .reorder(this.sessionOf(op), order)
          .then((all) => all.map(idOf));
      }
      case 'answer': {
        const question = nthOf(this.questions, op.nth);
        const { project_id, key_id } = this.host;
        const interactions = process.get(SessionInteractionsService);
        return (
          question && interactions.respond(project_id, question, { decision: 'allow' }, key_id).then(() => question)
        );
      }
      case 'claim':
        return this.claim(op);
      case 'beat':
        return this.beat(op);
      case 'sweep':
        return this.sweep(op.process);
      default:
        return this.write(op);
    }
  }

  private prompt(op: Prompt, more: Partial<SessionStreamInvoke>) {
    const { session_id } = this.sessionOf(op);
    return this.invoke(op, this.senderOf(op), {
      session_id,
      prompt: `prompt ${++this.prompts}`,
      detached: true,
      ...more,
    });
  }

  private async invoke(op: Op, by: KeyPrincipal, invoke: SessionStreamInvoke) {
    const sent: Sent = { by, invoke, key: randomUUID(), turn_id: undefined };
    const { turn_id, watcher_id, mode } = await this.on.processes[op.process]!.get(InvokeSessionFlow).run(
      by,
      invoke,
      sent.key,
    );
    this.sent.push({ ...sent, turn_id });
    if (watcher_id) this.watchers.push(watcher_id);
    return { mode, turn_id };
  }

  private async repeat({ process: index, nth }: { process: number; nth: number }) {
    const sent = nthOf(this.sent, nth);
    if (!sent) return undefined;
    const process = this.on.processes[index]!;
    const { turn_id } = await process.get(InvokeSessionFlow).run(sent.by, sent.invoke, sent.key);
    expect(turn_id).toBe(sent.turn_id);
    return { turn_id };
  }

  /** Who was told that his turn did not start must never see it run. */
  private async startOrWithdraw(op: Prompt) {
    const by = this.senderOf(op);
    const session = this.sessionOf(op);
    const process = this.on.processes[op.process]!;
    const wish = { session_id: session.session_id, prompt: `prompt ${++this.prompts}`, detached: true } as const;
    const invoke: SessionStreamInvoke = { ...wish, start_within_ms: 0, if_not_started: 'withdraw' };
    const sent: Sent = { by, invoke, key: randomUUID(), turn_id: undefined };
    const invoked = await process.get(InvokeSessionFlow).run(by, invoke, sent.key);
    this.sent.push({ ...sent, turn_id: invoked.turn_id });
    try {
      return await process.get(AwaitStartFlow).run(session, invoked, invoke, new AbortController().signal);
    } catch (error) {
      if (!isDomainError(error, 'not_started')) throw error;
      const turn = (await stateOf(this.on, session))!.turns.find(({ turn_id }) => turn_id === invoked.turn_id);
      expect(turn).toMatchObject({ status: 'cancelled', attempt: 0 });
      throw error;
    }
  }

  private async claim({ process, runner, capacity }: Extract<Op, { do: 'claim' }>) {
    const claimer = this.runners[runner]!;
    const wish = { capacity, wait_seconds: 0 };
    const granted = await this.on.processes[process]!.get(ClaimTurnsFlow).run(
      claimer.replica,
      wish,
      new AbortController().signal,
    );
    return granted.map(({ session_id, turn_id, epoch, resume_agent_session_id }) => {
      // Its prompt is run again: what an attempt before made of it is nothing to go on with.
      expect(resume_agent_session_id).not.toBe(turn_id);
      this.memory.owner(session_id, epoch, claimer.replica.replica_id);
      const grant = { project_id: this.host.project_id, session_id, turn_id, epoch, runner: claimer, seq: 0 };
      claimer.grants.push(grant);
      this.allGrants.push(grant);
      return { session_id, turn_id, epoch };
    });
  }

  /** For all that the runner believes to own; what it is told to be lost it gives up. */
  private async beat({ process, runner, running, malformed }: Extract<Op, { do: 'beat' }>) {
    const { replica, grants } = this.runners[runner]!;
    const beats = grants.map(({ session_id, turn_id, epoch }) => beatOf({ session_id, turn_id, epoch }, running));
    const broken = { session_id: '…', turn_id: 'no id', epoch: -1, status: 'asleep' } as never;
    const asked = malformed ? [broken, ...beats] : beats;
    const { turns } = await this.on.processes[process]!.get(BeatTurnsFlow).run(replica, { turns: asked });
    const answers = turns.slice(malformed ? 1 : 0);
    expect(answers.map(({ turn_id, epoch }) => ({ turn_id, epoch }))).toEqual(
      beats.map(({ turn_id, epoch }) => ({ turn_id, epoch })),
    );
    if (malformed) expect(turns[0]).toMatchObject({ is_current: false, error: { code: expect.any(String) } });
    const lost = grants.filter((_, index) => !answers[index]!.is_current);
    this.runners[runner]!.grants = grants.filter((grant) => !lost.includes(grant));
    return answers.map(({ is_current }) => is_current);
  }

  private async sweep(process: number): Promise<void> {
    const flow = this.on.processes[process]!.get(SweepOverdueTurnsFlow);
    // It takes nothing before it has been in contact for a whole lease.
    for (let n = 0; n < 4; n += 1) {
      this.clock.jump(LEASE_SECONDS / 3_600 / 2.5);
      await flow.run();
    }
  }

  /** What only an owner may do. */
  private async write(op: Extract<Op, { nth: number }>): Promise<unknown> {
    const grant = this.grantOf(op);
    if (!grant) return undefined;
    const process = this.on.processes[op.process]!;
    const { project_id, session_id, turn_id, epoch } = grant;
    const fence = { project_id, session_id, turn_id, epoch };
    switch (op.do) {
      case 'append':
      case 'append late': {
        const update = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: `batch ${grant.seq}` } };
        const event = { type: 'agent.update', at: new Date().toISOString(), turn_id, data: update };
        const events = parseRunnerEvents(Buffer.from(JSON.stringify([event])));
        const seq = grant.seq;
        const outcome = await process.get(SessionLogService).appendAsRunner(fence, events, { epoch, seq });
        if (outcome.kind === 'refused') throw outcome.error;
        grant.seq = Math.max(grant.seq, seq + 1);
        return outcome.kind;
      }
      case 'ask': {
        const options = [{ option_id: 'a', name: 'Yes', kind: 'allow_once' as const }];
        const request = { tool_call: { title: 'x' }, options };
        const question = { token: randomUUID(), kind: 'user_approval' as const, request };
        const { interaction_id } = await process.get(SessionInteractionsService).raise(fence, question);
        this.questions.push(interaction_id);
        return interaction_id;
      }
      case 'complete':
      case 'complete late': {
        const ended = await process.get(CompleteTurnFlow).run(project_id, { ...fence, status: op.status });
        return ended.status;
      }
      case 'hand over':
        return process
          .get(HandOverTurnFlow)
          .run(project_id, { ...fence, reason: 'drain' })
          .then(({ status }) => status);
      case 'merge': {
        const state = (await stateOf(this.on, fence))!;
        const offered = state.inbox.find(({ in_turn_of }) => in_turn_of === turn_id) ?? state.inbox[0];
        const merge = { ...fence, merged_turn_id: offered?.turn_id ?? randomUUID() };
        return process
          .get(MergePromptFlow)
          .run(project_id, merge)
          .then(() => offered?.turn_id);
      }
      case 'beat late': {
        const state = (await stateOf(this.on, fence))!;
        const { turns } = await process.get(BeatTurnsFlow).run(grant.runner.replica, { turns: [beatOf(fence, true)] });
        // A beat never makes an owner of somebody who is none.
        if (!isCurrent(grant, state)) expect(turns).toMatchObject([{ is_current: false }]);
        return turns[0]!.is_current;
      }
      default:
        throw new Error(`nobody knows how to ${op.do}`);
    }
  }

  private async befall(step: Exclude<Step, { at_once: Op[] }>): Promise<void> {
    if ('crash' in step) this.runners[step.crash] = await this.newRunner();
    else if ('guest_loses_key' in step) await this.project.revoke(this.guest);
    else if ('clocks_jump_hours' in step) this.clock.jump(step.clocks_jump_hours);
    else if ('owner_lost_of' in step) {
      await this.runOut(this.sessions[step.owner_lost_of]!);
      await this.sweep(step.swept_by);
    } else if ('lease_of' in step) await this.runOut(this.sessions[step.lease_of]!);
    else {
      const { project_id, session_id } = this.sessions[step.stop_of]!;
      await this.on.unitOfWork.query(
        `UPDATE session_turns SET stop_by = now() - interval '1 second'
          WHERE project_id = $1 AND session_id = $2 AND status = 'stopping' RETURNING turn_id`,
        [project_id, session_id],
      );
    }
  }

  private async runOut({ project_id, session_id }: SessionKey): Promise<void> {
    await this.on.unitOfWork.query(
      `UPDATE session_streams SET lease_until = now() - interval '1 second'
        WHERE project_id = $1 AND session_id = $2 AND lease_until IS NOT NULL RETURNING session_id`,
      [project_id, session_id],
    );
  }

  /** Every live turn ends, and all that waits behind it, once its runners are well or given up. */
  private async drain(): Promise<void> {
    this.trail.push('all that is left is brought to its end');
    for (let n = 0; n < RUNNERS; n += 1) this.runners[n] = await this.newRunner();
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const states = [...(await this.states()).values()];
      if (states.every(({ live, inbox }) => !live && !inbox.length)) return this.checkPrompts(states);
      for (const { session, stream } of states) {
        const isGone = !this.runners.some(({ replica }) => replica.replica_id === stream.owner_replica_id);
        if (stream.owner_replica_id && isGone) await this.runOut(session);
      }
      await this.perform({ do: 'sweep', process: round % 2 });
      await this.perform({ do: 'claim', process: round % 2, runner: 0, capacity: CAPACITY });
      for (const grant of this.runners[0]!.grants.splice(0)) {
        const end = { ...grant, status: 'completed' as const };
        await this.on.processes[round % 2]!.get(CompleteTurnFlow).run(grant.project_id, end);
      }
      await this.check();
    }
    throw new Error('some turn never ends');
  }

  /** Every prompt that was accepted is one turn, under the id that was told; no other prompt is any. */
  private checkPrompts(states: SessionState[]): void {
    const told = this.sent.filter(({ invoke }) => invoke.prompt).map(({ invoke, turn_id }) => [turn_id, invoke.prompt]);
    const there = states.flatMap(({ turns }) => turns.map(({ turn_id, prompt }) => [turn_id, prompt]));
    expect(there.sort()).toEqual(told.sort());
  }

  private async check(): Promise<void> {
    const changed = [...(await this.states()).values()].filter((state) => this.memory.isNew(state));
    await Promise.all(
      changed.map(async (state) => {
        this.memory.check(state);
        checkRows(state);
        checkLog(await this.project.events(state.session.session_id), state);
        await checkQuestions(this.on, state);
      }),
    );
  }

  private async states(): Promise<Map<string, SessionState>> {
    const states = await Promise.all(this.sessions.map((session) => stateOf(this.on, session)));
    return new Map(states.flatMap((state) => (state ? [[state.session.session_id, state]] : [])));
  }

  private async newRunner(): Promise<Runner> {
    const { project_id } = this.host;
    const replica = { project_id, replica_id: randomUUID(), key_id: this.host.key_id };
    const registration = { pools: ['default'], labels: [], capacity: CAPACITY };
    await this.on.processes[0]!.get(TurnClaimsService).register(replica, registration);
    return { replica, grants: [] };
  }

  private async inboxOf(op: Extract<Op, { session: number }>): Promise<string[]> {
    return ((await stateOf(this.on, this.sessionOf(op)))?.inbox ?? []).map(idOf);
  }

  private senderOf = ({ guest }: Prompt): KeyPrincipal => (guest ? this.guest : this.host);

  private sessionOf = ({ session }: { session: number }): SessionKey => this.sessions[session]!;

  /** `late` picks from the newest of all grants of the run, whoever owns their turns by now. */
  private grantOf(op: Extract<Op, { nth: number }>): Grant | undefined {
    if (op.do.endsWith('late')) return nthOf(this.allGrants.slice(-3), op.nth);
    const held = this.runners.flatMap(({ grants }) => grants);
    return nthOf(held, op.nth);
  }
}

const beatOf = (of: { session_id: string; turn_id: string; epoch: number }, isRunning: boolean) =>
  isRunning
    ? { ...of, status: 'running' as const, agent_session_id: of.turn_id }
    : { ...of, status: 'starting' as const };

const idOf = ({ turn_id }: { turn_id: string }) => turn_id;

const nthOf = <T>(things: T[], nth: number): T | undefined => things[nth % Math.max(1, things.length)];
