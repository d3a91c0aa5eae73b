import { randomUUID } from 'node:crypto';
import type {
  SessionInteractionDecision as Decision,
  SessionInteractionRaise,
  SessionInteractionRequest,
  SessionRunner,
  SessionRunnerRegister,
  SessionTurnBeat,
  SessionTurnComplete,
  SessionTurnGrant,
} from '@holdfast/client';
import {
  ControlPlaneRefusal,
  ControlPlaneUnavailable,
  StaleEpoch,
  type BeatAnswer,
  type ControlCommand,
  type ControlPlane,
  type LoggedCommand,
  type TurnEnd,
  type TurnKey,
} from '../src/control-plane.js';
import type { NativeStore } from '../src/native/native-store.js';
import type { TurnTree } from '../src/tools/turn-tree.js';
import {
  demandEnd,
  demandEvents,
  demandQuestion,
  demandRegistration,
  isSoundBeat,
  type LogEvent,
} from './api-limits.js';
import { MemoryNativeStore } from './memory-native-store.js';
import { MemoryTurnTree } from './memory-turn-tree.js';

interface Turn {
  grant: SessionTurnGrant;
  status: 'queued' | 'starting' | 'running' | 'ended';
  end?: TurnEnd;
}

/** A prompt that waits for the turn before it. */
interface Waiting {
  turn_id: string;
  prompt: string;
  status: 'inbox' | 'merged' | 'withdrawn';
}

interface Log {
  events: LogEvent[];
  epoch: number;
  nextSeq: Map<number, number>;
}

interface Interaction {
  interaction_id: string;
  token: string;
  turn_id: string;
  request: SessionInteractionRequest;
  status: 'pending' | 'responded' | 'resolved';
  /** Length of the log when the question was raised. */
  raisedAfter: number;
}

/** The api's rules about runners in memory: fence, producer sequence, idempotency, one answer per question, limits. */
export class MemoryControlPlane implements ControlPlane {
  readonly interactions: Interaction[] = [];
  readonly batches: { log_path: string; epoch: number; seq: number; count: number }[] = [];
  readonly beats: { at: number; turns: readonly SessionTurnBeat[]; control_offset?: string }[] = [];
  readonly registrations: SessionRunnerRegister[] = [];
  readonly handOvers: (TurnKey & { reason: string })[] = [];
  readonly inbox: Waiting[] = [];
  readonly terms: SessionRunner = {
    control_path: '/control',
    lease_seconds: 30,
    beat_seconds: 5,
    watchdog_seconds: 20,
  };
  /** Rejects every call while true. */
  isDown = false;
  /** Runs before an append is judged, and after it took effect; throw to lose the request or its answer. */
  beforeAppend: (logPath: string) => Promise<void> | void = () => undefined;
  afterAppend: () => Promise<void> | void = () => undefined;
  beforeComplete: () => Promise<void> | void = () => undefined;
  beforeHandOver: () => Promise<void> | void = () => undefined;
  beforeMerge: () => Promise<void> | void = () => undefined;
  /** False where commands reach the runner by its beats alone. */
  logsCommands = true;

  /** Credentials that the next beat of a turn brings. */
  private readonly renewals = new Map<string, string>();
  private readonly stores = new Map<string, MemoryNativeStore>();
  private readonly trees = new Map<string, MemoryTurnTree>();
  private readonly turns = new Map<string, Turn>();
  private readonly logs = new Map<string, Log>();
  private readonly commands: ControlCommand[] = [];
  private readonly unlogged: ControlCommand[] = [];
  private wakes: (() => void)[] = [];

  /** What is stored of a session's conversations. */
  transcripts(session_id: string): MemoryNativeStore {
    const store = this.stores.get(session_id) ?? new MemoryNativeStore();
    this.stores.set(session_id, store);
    return store;
  }

  /** What a session's agent does with others. */
  treeOf(session_id: string): MemoryTurnTree {
    const tree = this.trees.get(session_id) ?? new MemoryTurnTree();
    this.trees.set(session_id, tree);
    return tree;
  }

  /** Puts a turn in the queue. */
  invoke(prompt: string, grant: Partial<SessionTurnGrant> = {}): SessionTurnGrant {
    const session_id = grant.session_id ?? `s-${randomUUID()}`;
    const log_path = `/v1/stream/sessions/${session_id}/events`;
    const log = this.logs.get(log_path) ?? { events: [], epoch: 0, nextSeq: new Map() };
    this.logs.set(log_path, log);
    log.epoch += 1;
    const full: SessionTurnGrant = {
      session_id,
      turn_id: randomUUID(),
      epoch: log.epoch,
      attempt: 1,
      prompt,
      agent: { name: 'scripted', revision: 1 },
      harness: 'scripted',
      model: null,
      environment: {},
      drive: 'acp',
      approvals: 'ask',
      command: null,
      log_path,
      resume_conversation: null,
      resume_agent_session_id: null,
      credential: '',
      ...grant,
    };
    full.credential = credentialOf(full);
    this.turns.set(full.turn_id, { grant: full, status: 'queued' });
    this.changed();
    return full;
  }

  /** Gives the turn another credential with its next beat. */
  renew(grant: SessionTurnGrant): string {
    const credential = `${credentialOf(grant)}.renewed`;
    this.renewals.set(grant.turn_id, credential);
    return credential;
  }

  /** Its owner was lost: the turn goes back in line. */
  lose(grant: SessionTurnGrant): void {
    this.requeue(this.turn(grant));
  }

  /** Takes the session away from whoever has it. */
  fence(grant: SessionTurnGrant): void {
    this.log(grant.log_path).epoch += 1;
    this.changed();
  }

  cancel(grant: SessionTurnGrant, command_id: string = randomUUID()): void {
    this.send({ command_id, type: 'cancel', ...keyOf(grant) });
  }

  /** Puts a prompt into the inbox that the live turn's agent may take; answers its id. */
  steer(grant: SessionTurnGrant, prompt: string): string {
    const prompt_turn_id = randomUUID();
    this.inbox.push({ turn_id: prompt_turn_id, prompt, status: 'inbox' });
    this.send({ command_id: randomUUID(), type: 'steer', ...keyOf(grant), prompt_turn_id, prompt });
    return prompt_turn_id;
  }

  /** Ends the turn for good, whether its runner can be reached or not. */
  kill(grant: SessionTurnGrant): void {
    this.fence(grant);
    const turn = this.turn(grant);
    turn.end = { status: 'cancelled', stop_reason: 'killed' };
    turn.status = 'ended';
    this.command('kill', grant);
  }

  /** A command without more to it; of any type, also one that no runner knows. */
  command(type: string, grant: SessionTurnGrant): void {
    this.send({ command_id: randomUUID(), type, ...keyOf(grant) } as ControlCommand);
  }

  answer(grant: SessionTurnGrant, interaction_id: string, decision: Decision, command_id: string = randomUUID()): void {
    const interaction = this.interactions.find((candidate) => candidate.interaction_id === interaction_id);
    if (interaction) interaction.status = 'responded';
    this.send({ command_id, type: 'answer', ...keyOf(grant), interaction_id, verdict: { decision, message: null } });
  }

  events(grant: SessionTurnGrant): LogEvent[] {
    return this.log(grant.log_path).events;
  }

  updates(grant: SessionTurnGrant): LogEvent['data'][] {
    return this.events(grant)
      .filter(({ type }) => type === 'agent.update')
      .map(({ data }) => data);
  }

  /** All text the agent said, joined. */
  text(grant: SessionTurnGrant): string {
    return this.updates(grant)
      .filter(({ sessionUpdate }) => sessionUpdate === 'agent_message_chunk')
      .map(({ content }) => (content as { text?: string }).text ?? '')
      .join('');
  }

  /** As it was granted last, or will be next. */
  grantOf(grant: Pick<SessionTurnGrant, 'turn_id'>): SessionTurnGrant {
    return this.turn(grant).grant;
  }

  status(grant: SessionTurnGrant): string {
    return this.turn(grant).status;
  }

  /** The accepted end of the turn, once there is one. */
  async ended(grant: SessionTurnGrant): Promise<TurnEnd> {
    return await this.until(() => this.turn(grant).end);
  }

  /** The first truthy value of `probe`, looked at after every change. */
  async until<T>(probe: () => T | undefined | false | null): Promise<T> {
    for (;;) {
      const value = probe();
      if (value) return value;
      await new Promise<void>((resolve) => this.wakes.push(resolve));
    }
  }

  async register(registration: SessionRunnerRegister): Promise<SessionRunner> {
    this.reach();
    demandRegistration(registration);
    this.registrations.push(registration);
    return this.terms;
  }

  async claim(claim: { capacity: number }, signal: AbortSignal): Promise<readonly SessionTurnGrant[]> {
    this.reach();
    const aborted = new Promise<[]>((resolve) => signal.addEventListener('abort', () => resolve([])));
    const granted = this.until(() => {
      // Nobody would take what is granted to a claim that was given up.
      if (signal.aborted) return [];
      const queued = [...this.turns.values()].filter(({ status }) => status === 'queued').slice(0, claim.capacity);
      for (const turn of queued) turn.status = 'starting';
      return queued.length > 0 && queued.map(({ grant }) => grant);
    });
    return await Promise.race([granted, aborted]);
  }

  async heartbeat(
    beat: { turns: readonly SessionTurnBeat[]; control_offset?: string },
    _signal?: AbortSignal,
  ): Promise<BeatAnswer> {
    this.reach();
    this.beats.push({ at: performance.now(), ...beat });
    const answers = beat.turns.map((line) => {
      if (!isSoundBeat(line)) {
        const error = { code: 'beat_malformed' as const, message: 'agent_session_id' };
        return { turn_id: line.turn_id, epoch: line.epoch, is_current: false, error };
      }
      const isCurrent = this.isCurrent(line);
      if (isCurrent && line.status === 'running') this.turn(line).status = 'running';
      const credential = this.renewals.get(line.turn_id);
      this.renewals.delete(line.turn_id);
      return { turn_id: line.turn_id, epoch: line.epoch, is_current: isCurrent, ...(credential && { credential }) };
    });
    this.changed();
    const after = beat.control_offset === '-1' ? 0 : Number(beat.control_offset ?? Infinity);
    return { turns: answers, commands: [...this.commands.slice(after), ...this.unlogged] };
  }

  async handOver(key: TurnKey, reason: string): Promise<void> {
    this.reach();
    await this.beforeHandOver();
    const turn = this.turn(key);
    if (this.handOvers.some((past) => past.turn_id === key.turn_id && past.epoch === key.epoch)) return;
    this.judgeEpoch(key);
    this.handOvers.push({ ...keyOf(key), reason });
    this.requeue(turn);
  }

  async merge(key: TurnKey, mergedTurnId: string): Promise<void> {
    this.reach();
    await this.beforeMerge();
    this.judgeEpoch(key);
    const waiting = this.inbox.find(({ turn_id }) => turn_id === mergedTurnId);
    if (waiting?.status === 'withdrawn') throw new ControlPlaneRefusal(409, 'turn_not_waiting', mergedTurnId);
    if (!waiting) throw new ControlPlaneRefusal(404, 'turn_not_found', mergedTurnId);
    waiting.status = 'merged';
    this.changed();
  }

  async complete(end: SessionTurnComplete): Promise<void> {
    this.reach();
    await this.beforeComplete();
    const turn = this.turn(end);
    if (turn.status === 'ended' && turn.grant.epoch === end.epoch) return;
    this.judgeEpoch(end);
    const { status, stop_reason, usage, error } = end;
    demandEnd(end);
    turn.end = {
      status,
      ...(stop_reason && { stop_reason }),
      ...(usage != null && { usage }),
      ...(error && { error }),
    };
    turn.status = 'ended';
    this.changed();
  }

  async raiseInteraction(question: SessionInteractionRaise): Promise<{ interaction_id: string }> {
    this.reach();
    this.judgeEpoch(question);
    const known = this.interactions.find(({ token }) => token === question.token);
    if (known) return known;
    const { token, turn_id, request } = question;
    demandQuestion(question);
    const raisedAfter = this.events(this.turn(question).grant).length;
    const interaction = {
      interaction_id: randomUUID(),
      token,
      turn_id,
      request,
      status: 'pending' as const,
      raisedAfter,
    };
    this.interactions.push(interaction);
    this.changed();
    return interaction;
  }

  async resolveInteraction(interactionId: string, turn: TurnKey): Promise<void> {
    this.reach();
    this.judgeEpoch(turn);
    const interaction = this.interactions.find(({ interaction_id }) => interaction_id === interactionId);
    if (interaction?.status !== 'responded') throw new ControlPlaneRefusal(409, 'interaction_not_answered', '');
    interaction.status = 'resolved';
    this.changed();
  }

  async appendEvents(logPath: string, epoch: number, seq: number, events: readonly string[]): Promise<void> {
    this.reach();
    await this.beforeAppend(logPath);
    const log = this.log(logPath);
    if (epoch !== log.epoch) throw new StaleEpoch(`the epoch is ${log.epoch}`);
    const expected = log.nextSeq.get(epoch) ?? 0;
    if (seq > expected) throw new ControlPlaneRefusal(409, 'producer_sequence_gap', `expected ${expected}, got ${seq}`);
    if (seq === expected) {
      const parsed = demandEvents(events);
      log.nextSeq.set(epoch, seq + 1);
      log.events.push(...parsed);
      this.batches.push({ log_path: logPath, epoch, seq, count: events.length });
    }
    this.changed();
    await this.afterAppend();
  }

  native(turn: TurnKey): NativeStore {
    const store = this.transcripts(turn.session_id);
    return {
      find: this.fenced(turn, store.find.bind(store)),
      content: (stored) => store.content(stored),
      save: this.fenced(turn, store.save.bind(store)),
      convert: this.fenced(turn, store.convert.bind(store)),
    };
  }

  tree(turn: TurnKey): TurnTree {
    const tree = this.treeOf(turn.session_id);
    return {
      runAgents: this.fenced(turn, tree.runAgents),
      sendMessage: this.fenced(turn, tree.sendMessage),
      waitForMessages: this.fenced(turn, tree.waitForMessages),
      delivered: this.fenced(turn, tree.delivered),
    };
  }

  async *followControl(_path: string, offset: string, signal: AbortSignal): AsyncIterable<LoggedCommand> {
    let position = offset === '-1' ? 0 : Number(offset);
    signal.addEventListener('abort', () => this.changed(), { once: true });
    while (!signal.aborted) {
      const command = await this.until(() => this.commands[position] ?? signal.aborted);
      if (command === true) return;
      position += 1;
      yield { command, offset: `${position}` };
    }
  }

  /** In line again, under the next epoch. */
  private requeue(turn: Turn): void {
    const log = this.log(turn.grant.log_path);
    log.epoch += 1;
    const granted = { ...turn.grant, epoch: log.epoch, attempt: turn.grant.attempt + 1 };
    turn.grant = { ...granted, credential: credentialOf(granted) };
    turn.status = 'queued';
    this.changed();
  }

  private send(command: ControlCommand): void {
    (this.logsCommands ? this.commands : this.unlogged).push(command);
    this.changed();
  }

  private fenced<Args extends unknown[], T>(turn: TurnKey, act: (...args: Args) => Promise<T>) {
    return async (...args: Args): Promise<T> => {
      this.reach();
      this.judgeEpoch(turn);
      const answer = await act(...args);
      this.changed();
      return answer;
    };
  }

  private reach(): void {
    if (this.isDown) throw new ControlPlaneUnavailable('connection refused');
  }

  private judgeEpoch(key: TurnKey): void {
    if (!this.isCurrent(key)) throw new StaleEpoch('the epoch has moved');
  }

  private isCurrent(key: TurnKey): boolean {
    const { grant, status } = this.turn(key);
    return status !== 'ended' && grant.epoch === key.epoch && this.log(grant.log_path).epoch === key.epoch;
  }

  private turn({ turn_id }: { turn_id: string }): Turn {
    const turn = this.turns.get(turn_id);
    if (!turn) throw new ControlPlaneRefusal(404, 'turn_not_found', turn_id);
    return turn;
  }

  private log(path: string): Log {
    const log = this.logs.get(path);
    if (!log) throw new ControlPlaneRefusal(404, 'stream_not_found', path);
    return log;
  }

  private changed(): void {
    for (const wake of this.wakes.splice(0)) wake();
  }
}

/** What an attempt is first granted with; those after it begin alike. */
export const credentialOf = ({ turn_id, epoch }: Pick<TurnKey, 'turn_id' | 'epoch'>) => `hf_turn_${turn_id}_${epoch}`;

function keyOf({ session_id, turn_id, epoch }: TurnKey): TurnKey {
  return { session_id, turn_id, epoch };
}
