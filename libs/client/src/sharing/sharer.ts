import { HoldfastError } from '../errors.js';
import type { SessionShare } from '../generated/models/SessionShare.js';
import type { SessionShareCreate } from '../generated/models/SessionShareCreate.js';
import type { SessionShareCreated } from '../generated/models/SessionShareCreated.js';
import type { HoldfastClient } from '../holdfast-client.js';
import { retryCommand } from '../retry.js';
import type { SessionEvent } from '../session-event.js';
import { SHARER, type SharerEvent, type SharerStatus } from './sharer-state.table.js';
import { TaskLinks } from './task-links.js';

export interface SharerOptions {
  client: HoldfastClient;
  session_id: string;
  /** Task that the session works on; where it becomes known later, `learnTask`. */
  task_id?: string | null;
  /** Told when the state has changed. */
  onChange?: () => void;
}

/** `tree`: with all agents below, now and later. */
export type ShareOptions = Pick<SessionShareCreate, 'scope' | 'role' | 'name' | 'expires_at' | 'expires_in_seconds'>;

/** Shares one session that this program runs, on one link at a time. */
export class Sharer {
  private readonly client: HoldfastClient;
  private readonly links: TaskLinks;
  private readonly session_id: string;
  private readonly onChange: () => void;
  private now: SharerStatus = 'not_shared';
  private current: SessionShareCreated | undefined;
  private task: string | null;
  private reason: string | null = null;

  constructor({ client, session_id, task_id = null, onChange = () => undefined }: SharerOptions) {
    this.client = client;
    this.session_id = session_id;
    this.task = task_id;
    this.onChange = onChange;
    this.links = new TaskLinks(client);
  }

  get status(): SharerStatus {
    return this.now;
  }

  /** Why the share ended; null before. */
  get end_reason(): string | null {
    return this.reason;
  }

  get share_made(): SessionShare | undefined {
    return this.current?.share;
  }

  /** What to give away; undefined while nothing is shared. */
  get link(): string | undefined {
    return this.now === 'shared' ? this.current?.link : undefined;
  }

  /** Task of the session, as it is known by now. */
  get source_task_id(): string | null {
    return this.task;
  }

  /** Shares the session by whoever calls; the same again answers what is shared. Errors: those of the api. */
  async share(options: ShareOptions = {}): Promise<SessionShareCreated> {
    if (this.current && this.now === 'shared') return this.current;
    if (!this.to('asked')) throw new TypeError(`Nothing can be shared while it is ${this.now}.`);
    try {
      const source = { source_type: 'user' as const, source_task_id: this.task };
      const SessionShareCreate = { ...options, session_id: this.session_id, source };
      // An answer that is lost holds the only link; under its key, the api answers with the same share and another one.
      this.current = await retryCommand({}, (key) =>
        this.client.shares.createSessionShare({ SessionShareCreate, Idempotency_Key: key }),
      );
      this.task ??= this.current.share.source_task_id;
    } catch (error) {
      this.to('refused');
      throw error;
    }
    this.reason = null;
    this.to('granted');
    await this.linkTask();
    return this.current;
  }

  /** The task of the session has become known: the api is told, which tells those who have joined. */
  learnTask(task_id: string): Promise<void> {
    this.task ??= task_id;
    this.onChange();
    return this.linkTask();
  }

  /** Ends the share and all that was reached through it, and nothing else. */
  async stop(): Promise<void> {
    if (!this.current || !this.to('stop_asked')) return;
    const { share_id } = this.current.share;
    try {
      await this.client.shares.revokeSessionShare({ SessionShareRevoke: { share_id, reason: 'stopped' } });
    } catch (error) {
      this.to('refused');
      throw error;
    }
    this.end('stopped');
  }

  /** Another link for the same share; whoever came by the old one is out. */
  async rotate(): Promise<SessionShareCreated> {
    if (!this.current || this.now !== 'shared') throw new TypeError('Nothing is shared.');
    const { share_id } = this.current.share;
    this.current = await this.client.shares.rotateSessionShare({ SessionShareRotate: { share_id } });
    this.onChange();
    return this.current;
  }

  /** The shares of the session, whoever made them, the newest first. */
  async *list({ include_ended = false } = {}): AsyncGenerator<SessionShare, void, undefined> {
    for (let cursor: string | undefined; ;) {
      const SessionShareQuery = { session_id: this.session_id, include_ended, cursor };
      const page = await this.client.shares.querySessionShares({ SessionShareQuery });
      yield* page.data;
      if (page.next_cursor === null) return;
      cursor = page.next_cursor;
    }
  }

  /** Takes in what the session's log tells of the share. */
  see({ type, data }: SessionEvent): void {
    if (!this.current || data['share_id'] !== this.current.share.share_id) return;
    if (type === 'share.ended') this.end(String(data['reason']));
    if (type === 'session.source_changed') this.learnSource(data['source_task_id']);
  }

  /** The session of a task that has ended stays what it is; it can be shared none the less. */
  private async linkTask(): Promise<void> {
    try {
      await this.links.link({ task_id: this.task, session_id: this.session_id });
    } catch (error) {
      if (!(error instanceof HoldfastError && error.code === 'task_ended')) throw error;
    }
  }

  /** Once: what is known is not taken back. */
  private learnSource(task_id: unknown): void {
    if (this.task !== null || typeof task_id !== 'string') return;
    this.task = task_id;
    this.onChange();
  }

  private end(reason: string): void {
    this.reason = reason;
    this.to('ended');
  }

  private to(event: SharerEvent): boolean {
    const status = SHARER[this.now][event];
    if (!status) return false;
    this.now = status;
    this.onChange();
    return true;
  }
}
