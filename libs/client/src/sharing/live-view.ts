import { HoldfastError, isPassing } from '../errors.js';
import type { SessionJoin } from '../generated/models/SessionJoin.js';
import type { HoldfastClient } from '../holdfast-client.js';
import type { LoggedEvent, SessionEvent } from '../session-event.js';
import { retryDelayMs, type Clock } from './clock.js';
import { Discovery, type Listed } from './discovery.js';
import { HOPELESS, LogFeed, type FeedNews, type LogName } from './log-feed.js';
import { NameDirectory } from './name-directory.js';
import { Outlet } from './outlet.js';
import { Roster } from './roster.js';
import { sourceOf, type SessionSource } from './session-source.js';
import { factIn, listTasks, taskIn, type TaskList } from './task-list.js';
import { isWorking } from './task-state.rules.js';
import { TaskTree, type TreeChange } from './task-tree.js';
import type { TreeTask } from './tree-task.js';
import { VIEWER, type ViewerEvent, type ViewerStatus } from './viewer-state.table.js';

export type ViewerState =
  /** `error`: why the join did not come about yet; it is tried again. */
  | { status: 'joining'; error?: unknown }
  | { status: 'catching_up' | 'live' }
  | { status: 'reconnecting'; error: unknown }
  /** `left`, or why the share ended (stopped, revoked, expired, killed, archived, deleted, runner_lost). */
  | { status: 'ended'; reason: string }
  | { status: 'failed'; error: unknown };

export type ViewNews =
  /** Of a session's log. `task_id` is its agent in the tree, where it has one. */
  | ({ kind: 'event'; session_id: string; task_id: string | null } & LoggedEvent)
  /** Of the tree's activity log, as it stands there. */
  | ({ kind: 'activity'; task_id: string } & LoggedEvent)
  | TreeChange
  /** Events of this log are no longer kept that were not given yet; it goes on behind them. */
  | { kind: 'gap'; session_id: string | null }
  /** One connection holds no more logs: this agent is followed when it is chosen after others were given up. */
  | { kind: 'not_followed'; session_id: string; task_id: string | null }
  /** This agent cannot be shown (any more); the others go on. */
  | { kind: 'agent_failed'; session_id: string; task_id: string | null; error: HoldfastError };

/** Whose logs are followed beside that of the joined session. */
export type FollowedAgents = 'none' | 'chosen' | 'all';

export interface LiveViewParts {
  client: HoldfastClient;
  clock: Clock;
  agents: FollowedAgents;
  chosen?: Iterable<string>;
  session_id?: string;
  participant_id?: string;
  name?: string;
  /** Where to go on in each session; otherwise from its start. */
  offsets?: Readonly<Record<string, string>>;
  onChange: () => void;
  /** The credential to go on with. */
  onCredential: (token: string) => void;
}

/** Retries of a join before it is given up. */
const JOIN_RETRIES = 18;
/** Between two looks for the first session of a task that nothing tells of. */
const UNSTARTED_MS = 5_000;
/** Most news that wait to be read; then the connection is read no further. */
const MAX_WAITING = 256;
const START = '-1';

/** What a viewer of a session and a viewer of a tree have in common: one join, one connection, one picture of the tree. */
export class LiveView {
  readonly tree = new TaskTree();
  readonly names: NameDirectory;
  joined: SessionJoin | undefined;
  roster: Roster | undefined;
  source: SessionSource = { task_id: null, is_ambient: false };
  private readonly feed: LogFeed;
  private readonly discovery: Discovery<TaskList>;
  private readonly outlet = new Outlet<ViewNews>(MAX_WAITING);
  private readonly closing = new AbortController();
  private readonly chosen: Set<string>;
  private readonly offsets: Map<string, string>;
  private now: ViewerState = { status: 'joining' };
  private before: ViewerStatus = 'catching_up';
  private activityOf: string | null = null;
  private readonly refusedActivities = new Set<string>();
  private isHopeless = false;
  private isRunning = false;

  constructor(private readonly parts: LiveViewParts) {
    const { client, clock, chosen = [], offsets = {} } = parts;
    this.chosen = new Set(chosen);
    this.offsets = new Map(Object.entries(offsets));
    this.feed = new LogFeed(
      {
        watch: (places, signal) => client.openWatch(places, { signal }),
        readSession: (session_id, options) => client.readSession(session_id, options),
      },
      clock,
    );
    this.names = new NameDirectory(async (task_ids) => {
      const { data } = await client.tasks.fetchSessionTaskNames(
        { SessionTaskNameQuery: { task_ids } },
        { signal: this.closing.signal },
      );
      return data;
    });
    this.discovery = new Discovery<TaskList>(
      {
        fetch: (signal) => listTasks(client, this.tree.host!, signal),
        apply: (list) => this.apply(list),
        isHeld: () => this.isHeld(),
      },
      clock,
    );
  }

  get state(): ViewerState {
    return this.now;
  }

  get session_id(): string | null {
    return this.joined?.session?.session_id ?? null;
  }

  /** Whether the agents below are shown: they are open to whoever has a key, or a share of the tree. */
  get showsTree(): boolean {
    return this.joined !== undefined && this.joined.share?.scope !== 'session';
  }

  get discoveryState() {
    return this.discovery.state;
  }

  /** Where each session is, to go on from later. */
  places(): Record<string, string> {
    return Object.fromEntries(this.offsets);
  }

  async *follow(signal?: AbortSignal): AsyncGenerator<ViewNews, void, undefined> {
    if (this.isRunning) throw new TypeError('A viewer is followed once.');
    this.isRunning = true;
    const close = () => this.close();
    signal?.addEventListener('abort', close, { once: true });
    if (signal?.aborted) close();
    const running = this.run();
    try {
      for await (const news of this.outlet.read()) {
        if (news.kind === 'event') this.offsets.set(news.session_id, news.offset);
        yield news;
        if (signal?.aborted) return;
      }
    } finally {
      signal?.removeEventListener('abort', close);
      close();
      await running;
    }
  }

  close(): void {
    this.closing.abort();
    this.discovery.close();
    this.outlet.close();
  }

  /** It is over for this viewer. */
  end(reason: string): void {
    this.to('ended', { reason });
    this.close();
  }

  /** Follows this agent too, as soon as it has a session. Nobody else sees that. */
  choose(task_id: string): void {
    this.chosen.add(task_id);
    const session_id = this.tree.task(task_id)?.session_id;
    if (session_id) this.followAgent(session_id);
  }

  /** Follows it no more; chosen again, it goes on where it was. */
  drop(task_id: string): void {
    this.chosen.delete(task_id);
    const session_id = this.tree.task(task_id)?.session_id;
    if (session_id && session_id !== this.session_id) this.feed.remove({ session_id });
  }

  refresh(): Promise<void> {
    return this.discovery.tell('refresh');
  }

  /** Goes on with another session of what is shared, as the same participant. */
  async moveTo(session_id: string): Promise<void> {
    const left = this.session_id;
    const joined = await this.askToJoin(session_id);
    if (left !== null && left !== session_id && !this.followsAgent(this.taskOf(left))) {
      this.feed.remove({ session_id: left });
    }
    this.enter(joined);
    this.to('moved');
  }

  private async run(): Promise<void> {
    const { signal } = this.closing;
    try {
      const joined = await this.join();
      if (!joined) return;
      this.enter(joined);
      this.to('joined');
      if (!joined.session) this.to('caught_up');
      const discovered = this.discover();
      // Then the connection is opened once, for all of the agents.
      if (this.parts.agents !== 'none') await discovered;
      for await (const news of this.feed.follow(signal)) await this.hear(news);
      if (this.now.status !== 'ended') this.outlet.close();
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    if (this.closing.signal.aborted) return;
    if (error instanceof HoldfastError && error.code === 'share_ended') return this.end(endReasonOf(error));
    this.to('refused', { error });
    this.outlet.close({ error });
    this.close();
  }

  /** Undefined when the viewer has gone before. */
  private async join(): Promise<SessionJoin | undefined> {
    const { clock, session_id } = this.parts;
    const { signal } = this.closing;
    for (let failures = 0; !signal.aborted;) {
      try {
        const joined = await this.askToJoin(session_id);
        if (joined.session || joined.activity) return joined;
        await clock.wait(UNSTARTED_MS, signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        failures += 1;
        if (!isPassing(error) || failures > JOIN_RETRIES) throw error;
        this.now = { status: 'joining', error };
        this.parts.onChange();
        const asked = (error instanceof HoldfastError && error.retryAfterMs) || 0;
        await clock.wait(Math.max(asked, retryDelayMs(failures, clock)), signal);
      }
    }
    return undefined;
  }

  private askToJoin(session_id: string | undefined): Promise<SessionJoin> {
    const { client, name } = this.parts;
    const participant_id = this.joined?.participant_id ?? this.parts.participant_id;
    return client.participants.joinSession(
      { SessionJoinCreate: { session_id, participant_id, name, source_type_format: 'detailed' } },
      { signal: this.closing.signal },
    );
  }

  /** Takes in what the api answered to a join. */
  private enter(joined: SessionJoin): void {
    this.joined = joined;
    if (joined.participant_token) this.parts.onCredential(joined.participant_token);
    this.roster = new Roster(joined.participant_id, joined.role, joined.participants);
    this.source = sourceOf(joined);
    this.names.learn(joined.names);
    if (joined.session) {
      const { session_id } = joined.session;
      this.feed.add({ session_id }, this.offsets.get(session_id) ?? START);
    }
    if (joined.activity && this.showsTree) this.followActivity(joined.activity);
    if (joined.task && this.showsTree) this.enterTree(joined.task);
    this.parts.onChange();
  }

  /** What is entered first is the top, whichever of its sessions are looked at later. */
  private enterTree(task: TreeTask): void {
    if (this.tree.host === null) this.names.orchestratedBy(task.root_task_id);
    if (this.tree.host === null) this.tree.rootAt(task.task_id);
    this.see(this.tree.learn(task));
  }

  /** Once, and only where the task is known and the agents below it are open. */
  private discover(): Promise<void> | undefined {
    const { task_id } = this.source;
    if (task_id === null || !this.showsTree) return undefined;
    if (this.tree.host === null) this.tree.rootAt(task_id);
    return this.discovery.tell('resolved');
  }

  private followActivity({ task_id, offset }: { task_id: string; offset: string }): void {
    if (this.activityOf !== null || this.refusedActivities.has(task_id)) return;
    this.activityOf = task_id;
    this.feed.add({ task_id }, offset);
  }

  private isHeld(): boolean {
    return !this.isHopeless && this.activityOf !== null && this.feed.has({ task_id: this.activityOf });
  }

  private apply({ tasks, activity }: TaskList): Listed {
    if (activity) this.followActivity(activity);
    this.names.learn(tasks);
    for (const task of tasks) {
      // The task whose descendants were asked for is none of them.
      if (task.task_id !== this.tree.host) this.see(this.tree.learn(task));
    }
    const children = this.tree.descendants();
    if (children.length === 0) return 'listed_none';
    return children.some(isWorking) ? 'listed_working' : 'listed_resting';
  }

  private async hear(news: FeedNews): Promise<void> {
    switch (news.kind) {
      case 'connected':
        this.isHopeless = false;
        this.to('connected');
        return this.isHeld() ? this.discovery.tell('stream_held') : undefined;
      case 'lost':
        this.to('connection_lost', { error: news.error });
        if (news.failures < HOPELESS || this.isHopeless) return;
        this.isHopeless = true;
        void this.discovery.tell('stream_lost');
        return;
      case 'problem':
        return this.hearProblem(news.log, news.error);
      case 'events':
        for (const logged of news.events) await this.hearEvent(news.log, logged);
        if (news.log.session_id === this.session_id) this.arriveAt(news.offset, news.up_to_date);
    }
  }

  private arriveAt(offset: string, up_to_date: boolean): void {
    const tail = this.joined?.tail_offset ?? null;
    if (up_to_date || (tail !== null && offset >= tail)) this.to('caught_up');
  }

  private async hearEvent(log: LogName, logged: LoggedEvent): Promise<void> {
    if (log.session_id === undefined) return this.hearActivity(log.task_id, logged);
    const { session_id } = log;
    await this.outlet.put({ kind: 'event', session_id, task_id: this.taskOf(session_id), ...logged });
    if (session_id === this.session_id) this.hearOwn(logged.event);
    if (isExchange(logged.event)) void this.discovery.tell('log_moved');
  }

  private hearOwn({ type, data, ...event }: SessionEvent): void {
    if (this.roster?.see({ type, data, ...event })) this.parts.onChange();
    if (type === 'session.source_changed') this.learnSource(data);
    const share = this.joined?.share;
    if (type === 'share.ended' && share && data['share_id'] === share.share_id) this.end(String(data['reason']));
  }

  /** Once, and only where nothing was known: then there may be agents below. */
  private learnSource(data: Record<string, unknown>): void {
    const told = sourceOf(data);
    if (this.source.task_id !== null || told.task_id === null) return;
    this.source = { ...this.source, task_id: told.task_id };
    this.parts.onChange();
    void this.discover();
  }

  private async hearActivity(task_id: string, logged: LoggedEvent): Promise<void> {
    const { event } = logged;
    const told = taskIn(event);
    const fact = told ? undefined : factIn(event);
    if (told) this.names.learn([told]);
    const changes = told ? this.tree.learn(told) : fact ? this.tree.note(fact) : [];
    const about = (event as SessionEvent & { task_id?: string }).task_id;
    // With a key, the log may be that of a task above.
    if (about === undefined || this.tree.host === null || this.tree.task(about)) {
      await this.outlet.put({ kind: 'activity', task_id, ...logged });
    }
    this.see(changes);
    if (event.type === 'task.message') await this.names.resolve(idsIn(event));
  }

  private see(changes: TreeChange[]): void {
    for (const change of changes) {
      void this.outlet.put(change);
      if (change.kind === 'materialise') this.materialise(change.task, change.session_id);
    }
    if (changes.length > 0) this.parts.onChange();
  }

  private materialise(task: TreeTask, session_id: string): void {
    const isAwaited = task.task_id === this.tree.host && this.joined !== undefined && this.session_id === null;
    if (isAwaited) void this.moveTo(session_id).catch((error) => this.fail(error));
    else if (this.followsAgent(task.task_id)) this.followAgent(session_id);
  }

  private followsAgent(task_id: string | null): boolean {
    return this.parts.agents === 'all' || (task_id !== null && this.chosen.has(task_id));
  }

  private followAgent(session_id: string): void {
    if (this.feed.add({ session_id }, this.offsets.get(session_id) ?? START)) return;
    void this.outlet.put({ kind: 'not_followed', session_id, task_id: this.taskOf(session_id) });
  }

  private async hearProblem(log: LogName, error: HoldfastError): Promise<void> {
    const earliest = error.problem['earliest_offset'];
    if (error.code === 'offset_gone' && typeof earliest === 'string') {
      await this.outlet.put({ kind: 'gap', session_id: log.session_id ?? null });
      this.feed.add(log, earliest);
      if (log.session_id === undefined) void this.discovery.tell('refresh');
      return;
    }
    if (log.session_id === undefined) {
      this.refusedActivities.add(log.task_id);
      this.activityOf = null;
      void this.discovery.tell('stream_lost');
      return;
    }
    if (log.session_id !== this.session_id) {
      const { session_id } = log;
      return this.outlet.put({ kind: 'agent_failed', session_id, task_id: this.taskOf(session_id), error });
    }
    if (error.code === 'session_not_found') this.end('deleted');
    else this.fail(error);
  }

  private taskOf(session_id: string): string | null {
    if (session_id === this.session_id) return this.source.task_id;
    return this.tree.ofSession(session_id)?.task_id ?? null;
  }

  private to(event: ViewerEvent, { error, reason = '' }: { error?: unknown; reason?: string } = {}): void {
    const step = VIEWER[this.now.status][event];
    if (!step) return;
    const status = step === 'back' ? this.before : step;
    if (status === 'reconnecting') {
      this.before = this.now.status;
      this.now = { status, error };
    } else if (status === 'ended') this.now = { status, reason };
    else if (status === 'failed') this.now = { status, error };
    else this.now = { status };
    this.parts.onChange();
  }
}

/** Something may have been started: a turn began or ended, or an agent's tool has done its work. */
function isExchange({ type, data }: SessionEvent): boolean {
  if (type.startsWith('turn.')) return true;
  return type === 'agent.update' && data['sessionUpdate'] === 'tool_call_update' && data['status'] === 'completed';
}

const endReasonOf = ({ problem }: HoldfastError) =>
  typeof problem['reason'] === 'string' ? problem['reason'] : 'ended';

function idsIn({ data }: SessionEvent): string[] {
  const { from_task_id, to_task_ids = [] } = data as { from_task_id?: string | null; to_task_ids?: string[] };
  return [...(from_task_id ? [from_task_id] : []), ...to_task_ids];
}
