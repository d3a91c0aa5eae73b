import type { SessionJoin } from '../generated/models/SessionJoin.js';
import type { SessionStreamInvoke } from '../generated/models/SessionStreamInvoke.js';
import type { SessionStreamInvoked } from '../generated/models/SessionStreamInvoked.js';
import type { HoldfastClient } from '../holdfast-client.js';
import type { CommandOptions } from '../retry.js';
import type { LiveView, ViewerState, ViewNews } from './live-view.js';
import { openView, type ViewerOptions } from './open-view.js';
import { Participation } from './participation.js';
import type { ViewParticipant } from './roster.js';
import { sessionOf } from './session-of.js';
import type { TaskTree } from './task-tree.js';

/** A prompt to the session that is viewed, or none to cancel its live turn. */
export type ViewerCommand = Omit<SessionStreamInvoke, 'session_id' | 'detached'>;

/**
 * One session, viewed live: joins, asks at most once for the agents below it, and holds one connection that carries the
 * session's log and, where there is a tree, its activity. Restarts of the api and failures of the network only delay it.
 */
export class SessionViewer {
  /** The api, with the viewer's own credential. */
  readonly client: HoldfastClient;
  /** The viewer itself among those who look at the session. */
  readonly me: Participation;
  /** What to come back with as the same participant, together with `me.participant_id`. */
  readonly credential: () => string;
  private readonly view: LiveView;

  constructor(options: ViewerOptions) {
    const { client, credential, view } = openView(options, 'none');
    this.client = client;
    this.view = view;
    this.credential = credential;
    this.me = new Participation(client, view);
  }

  /**
   * Every event of the session, and what is learned of the agents below it, until the view ends, `me.leave` is called
   * or `signal` aborts. Throws what waiting would not help against. Who stops reading may come back as the same participant.
   */
  follow({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<ViewNews, void, undefined> {
    return this.view.follow(signal);
  }

  get state(): ViewerState {
    return this.view.state;
  }

  /** The session that is viewed and acted on; null before the join, and while its task has none. */
  get session_id(): string | null {
    return this.view.session_id;
  }

  /** What the api answered to the join. */
  get joined(): SessionJoin | undefined {
    return this.view.joined;
  }

  get participants(): ViewParticipant[] {
    return this.view.roster?.participants() ?? [];
  }

  /** Task of the session; it may become known while the session is viewed. */
  get source_task_id(): string | null {
    return this.view.source.task_id;
  }

  /** Whether an agent shared itself. */
  get is_ambient(): boolean {
    return this.view.source.is_ambient;
  }

  /** The agents below, as far as they are open to this viewer. */
  get tree(): TaskTree {
    return this.view.tree;
  }

  /** Where each session is, to go on from later. */
  places(): Record<string, string> {
    return this.view.places();
  }

  /** What an agent is called that the session refers to. */
  nameOf(task_id: string): string {
    return this.view.names.nameOf(task_id);
  }

  /** Looks up names that are not known yet; nothing opens by that. */
  resolveNames(task_ids: Iterable<string>): Promise<void> {
    return this.view.names.resolve(task_ids);
  }

  /** Sends a prompt to the viewed session, or cancels its live turn; never to any other. */
  invoke(command: ViewerCommand, options?: CommandOptions): Promise<SessionStreamInvoked> {
    return this.client.invoke({ ...command, session_id: sessionOf(this.view) }, options);
  }

  /** Goes on with another session of what is shared, as the same participant. */
  moveTo(session_id: string): Promise<void> {
    return this.view.moveTo(session_id);
  }
}
