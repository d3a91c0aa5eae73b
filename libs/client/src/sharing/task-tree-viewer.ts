import type { SessionJoin } from '../generated/models/SessionJoin.js';
import type { SessionStreamInvoked } from '../generated/models/SessionStreamInvoked.js';
import type { HoldfastClient } from '../holdfast-client.js';
import type { CommandOptions } from '../retry.js';
import type { LiveView, ViewerState, ViewNews } from './live-view.js';
import { openView, type ViewerOptions } from './open-view.js';
import { Participation } from './participation.js';
import type { ViewParticipant } from './roster.js';
import type { ViewerCommand } from './session-viewer.js';
import type { TaskTree } from './task-tree.js';

export type TreeViewerOptions = ViewerOptions & {
  /** `all`: every agent's session; or those of these tasks only, to which `choose` and `unchoose` add and take. */
  agents?: 'all' | Iterable<string>;
};

/**
 * A session and all agents below it, viewed live on one connection: the tree's activity, and the logs of all agents or of
 * those that are chosen. Agents appear as the activity tells of them; where it cannot be read, lists are asked for instead.
 */
export class TaskTreeViewer {
  /** The api, with the viewer's own credential. */
  readonly client: HoldfastClient;
  /** The viewer itself among those who look at the session. */
  readonly me: Participation;
  /** What to come back with as the same participant, together with `me.participant_id`. */
  readonly credential: () => string;
  private readonly view: LiveView;
  private activeTask: string | null = null;

  constructor({ agents = 'all', ...options }: TreeViewerOptions) {
    const { client, credential, view } =
      agents === 'all' ? openView(options, 'all') : openView(options, 'chosen', agents);
    this.client = client;
    this.view = view;
    this.credential = credential;
    this.me = new Participation(client, view);
  }

  /**
   * What happens in the tree, until the view ends, `me.leave` is called or `signal` aborts: per agent in order, once. An
   * agent that cannot be shown is told as `agent_failed`. Throws what waiting would not help against.
   */
  follow({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<ViewNews, void, undefined> {
    return this.view.follow(signal);
  }

  get state(): ViewerState {
    return this.view.state;
  }

  /** What the api answered to the join. */
  get joined(): SessionJoin | undefined {
    return this.view.joined;
  }

  get participants(): ViewParticipant[] {
    return this.view.roster?.participants() ?? [];
  }

  get tree(): TaskTree {
    return this.view.tree;
  }

  /** Where each session is, to go on from later. */
  places(): Record<string, string> {
    return this.view.places();
  }

  nameOf(task_id: string): string {
    return this.view.names.nameOf(task_id);
  }

  /** Looks up names that are not known yet; nothing opens by that. */
  resolveNames(task_ids: Iterable<string>): Promise<void> {
    return this.view.names.resolve(task_ids);
  }

  /** Follows this agent's session too, now or as soon as it has one. Nobody else sees that. */
  choose(task_id: string): void {
    this.view.choose(task_id);
  }

  /** Follows it no more. Chosen again, it goes on where it was. */
  unchoose(task_id: string): void {
    this.view.drop(task_id);
  }

  /** Which agent `invoke` acts on; null for the one at the top. Nobody else sees that. */
  activate(task_id: string | null): void {
    this.activeTask = task_id;
  }

  /** The session that `invoke` acts on; null while its agent has none. */
  get active_session_id(): string | null {
    const task_id = this.activeTask;
    return task_id === null ? this.view.session_id : (this.view.tree.task(task_id)?.session_id ?? null);
  }

  /** Sends a prompt to the active agent, or cancels its live turn; never to any other. */
  invoke(command: ViewerCommand, options?: CommandOptions): Promise<SessionStreamInvoked> {
    const session_id = this.active_session_id;
    if (session_id === null) throw new TypeError('This agent has no session yet.');
    return this.client.invoke({ ...command, session_id }, options);
  }

  /** Asks for the list of agents again, whatever is known. */
  refresh(): Promise<void> {
    return this.view.refresh();
  }
}
