import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { v7 as uuidv7 } from 'uuid';
import { decodeCursor, encodeCursor } from '@holdfast/platform-http';
import {
  IdempotencyKeys,
  UnitOfWork,
  type SessionKey,
  type Transaction,
  type TurnFence,
} from '@holdfast/platform-postgres';
import { Signals } from '@holdfast/platform-signals';
import { TaskActivity } from '../activity/task-activity.service.js';
import { TaskSessions } from '../ports/task-sessions.port.js';
import { toEventTask } from '../tasks/session-task.mapper.js';
import { displayName } from '../tasks/task.rules.js';
import { TaskLimit } from '../tasks/tasks.errors.js';
import { TasksRepository, type AddressedTask, type TaskKey, type TaskRow } from '../tasks/tasks.repository.js';
import type {
  SessionTaskMessage,
  SessionTaskMessagePage,
  SessionTaskMessageQuery,
  SessionTaskMessageSend,
  SessionTaskMessageSent,
} from './dto/session-task-message.dto.js';
import { MAX_BODY_BYTES, MAX_UNDELIVERED, ORCHESTRATOR, PARENT } from './task-message.rules.js';
import { RecipientUnknown, TaskMessageTooLarge, TaskMissing } from './task-messages.errors.js';
import { TaskMessagesRepository, type ReceivedMessage } from './task-messages.repository.js';
import { messagesChannel, TaskPost } from './task-post.service.js';

/** How often a box is looked into while somebody waits, since a signal is only a hint. */
const LOOK_EVERY_MS = 2_000;
/** How long a wait that nobody ended counts on: its api was killed. */
const GRACE_SECONDS = 10;

/** What agents of one tree write to each other. A caller speaks for the task of the session whose turn it runs. */
@Injectable()
export class TaskMessages {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly idempotency: IdempotencyKeys,
    private readonly sessions: TaskSessions,
    private readonly tasks: TasksRepository,
    private readonly messages: TaskMessagesRepository,
    private readonly post: TaskPost,
    private readonly activity: TaskActivity,
    private readonly signals: Signals,
  ) {}

  /**
   * Errors: task_message_too_large, idempotency_key_reused; stale_epoch, turn_not_live; task_missing, recipient_unknown,
   * task_limit.
   */
  async send(
    caller: TurnFence,
    send: SessionTaskMessageSend,
    key: string | undefined,
  ): Promise<SessionTaskMessageSent> {
    const { project_id, turn_id } = caller;
    const bytes = Buffer.byteLength(send.body);
    if (bytes > MAX_BODY_BYTES) throw TaskMessageTooLarge({ bytes, limit: MAX_BODY_BYTES });
    const call = {
      project_id,
      operation: 'send_session_task_message',
      // Agents choose keys, so each turn has its own; all attempts at it have the same.
      key: key && `${turn_id}/${key}`,
      request: { turn_id, ...send },
    };
    return this.idempotency.once(call, async (tx) => {
      const from = await this.requireCaller(tx, caller);
      const to = await this.recipients(tx, from, send.to);
      const to_task_ids = to.map(({ task_id }) => task_id);
      if ((await this.messages.backlog(tx, project_id, to_task_ids)) >= MAX_UNDELIVERED) {
        throw TaskLimit({ what: 'undelivered_messages', limit: MAX_UNDELIVERED });
      }
      const { subject = null, body } = send;
      return { message_id: await this.post.put(tx, from, to, { kind: 'message', subject, body }), to_task_ids };
    });
  }

  /** Oldest first. Errors: task_missing, cursor_malformed. */
  async query(session: SessionKey, query: SessionTaskMessageQuery): Promise<SessionTaskMessagePage> {
    const after = decodeCursor(query.cursor, { message_id: 'uuid' });
    const own = await this.requireOwn(session);
    const rows = await this.messages.list(own, query.unread, after?.message_id, query.limit + 1);
    const page = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? page.at(-1) : undefined;
    return {
      data: page.map(toSessionTaskMessage),
      next_cursor: last ? encodeCursor({ message_id: last.message_id }) : null,
    };
  }

  /**
   * What was not delivered, as soon as there is something, else nothing when `seconds` have passed or `signal` aborts.
   * Nothing is taken by it: a message comes again until it is noted as delivered. Errors: stale_epoch, turn_not_live,
   * task_missing.
   */
  async wait(caller: TurnFence, seconds: number, signal: AbortSignal): Promise<SessionTaskMessage[]> {
    const own = await this.unitOfWork.run((tx) => this.requireCaller(tx, caller));
    const bell = new Bell(signal);
    const unsubscribe = await this.signals.subscribe(messagesChannel(own), () => bell.ring());
    try {
      const present = await this.messages.undelivered(own);
      if (present.length > 0 || seconds === 0 || signal.aborted) return present.map(toSessionTaskMessage);
      return (await this.waitLonger(caller, own, seconds, bell)).map(toSessionTaskMessage);
    } finally {
      await unsubscribe();
    }
  }

  /**
   * Those of which it was noted now; again, and of others' messages, nothing. Errors: stale_epoch, turn_not_live,
   * task_missing.
   */
  note(caller: TurnFence, what: 'delivered' | 'read', message_ids: string[]): Promise<string[]> {
    return this.unitOfWork.run(async (tx) => {
      const own = await this.requireCaller(tx, caller);
      const noted = await this.messages.note(tx, own, what, message_ids);
      for (const message_id of noted) {
        const data = { message_id, task_id: own.task_id };
        await this.activity.tell(tx, own, { type: `task.message_${what}`, data });
      }
      return noted;
    });
  }

  private async waitLonger(caller: TurnFence, own: TaskRow, seconds: number, bell: Bell): Promise<ReceivedMessage[]> {
    const wait_id = uuidv7();
    const until = performance.now() + seconds * 1000;
    await this.beginWait(caller, own, wait_id, seconds + GRACE_SECONDS);
    try {
      for (;;) {
        const found = await this.messages.undelivered(own);
        const left = until - performance.now();
        if (found.length > 0 || left <= 0 || bell.isOver) return found;
        await bell.next(Math.min(left, LOOK_EVERY_MS));
      }
    } finally {
      await this.endWait(own, wait_id);
    }
  }

  /** Says that the task's agent waits; the end of its turn would have ended that. Errors: stale_epoch, turn_not_live. */
  private beginWait(caller: TurnFence, own: TaskKey, wait_id: string, seconds: number): Promise<void> {
    return this.unitOfWork.run(async (tx) => {
      await this.sessions.requireLive(tx, caller);
      const task = (await this.tasks.lock(tx, own))!;
      await this.tell(tx, task, await this.tasks.setWait(tx, task, wait_id, seconds));
    });
  }

  /** Says that a wait is over, unless another one took its place, or something else ended it. */
  private endWait(own: TaskKey, wait_id: string): Promise<void> {
    return this.unitOfWork.run(async (tx) => {
      const task = await this.tasks.lock(tx, own);
      if (task?.wait_id === wait_id) await this.tell(tx, task, await this.tasks.setWait(tx, task, null, 0));
    });
  }

  private async tell(tx: Transaction, before: TaskRow, task: TaskRow): Promise<void> {
    if (task.waiting === before.waiting) return;
    await this.activity.tell(tx, task, { type: 'task.updated', data: { task: toEventTask(task) } });
  }

  /** The task that an attempt which runs speaks for. Errors: stale_epoch, turn_not_live, task_missing. */
  private async requireCaller(tx: Transaction, caller: TurnFence): Promise<TaskRow> {
    await this.sessions.requireLive(tx, caller);
    return this.requireOwn(caller, tx);
  }

  /** Errors: task_missing. */
  private async requireOwn(session: SessionKey, tx?: Transaction): Promise<TaskRow> {
    const own = await this.tasks.ofSession(session, tx);
    if (!own) throw TaskMissing({ session_id: session.session_id });
    return own;
  }

  /** Each of them once, found by one query whatever their number. Errors: recipient_unknown. */
  private async recipients(tx: Transaction, from: TaskRow, to: string[]): Promise<AddressedTask[]> {
    const addresses = to.map((one) => addressOf(from, one));
    const ids = addresses.flatMap(({ id }) => id ?? []);
    const names = addresses.flatMap(({ name }) => name ?? []);
    const found = await this.tasks.addressed(tx, from, ids, names);
    const recipients = new Map<string, AddressedTask>();
    for (const { to: asked, id, name } of addresses) {
      const [task, another] = found.filter((one) => (name === null ? one.task_id === id : one.called === name));
      if (!task) throw RecipientUnknown({ to: asked, reason: 'unknown' });
      if (name !== null && another) throw RecipientUnknown({ to: asked, reason: 'ambiguous' });
      recipients.set(task.task_id, task);
    }
    return [...recipients.values()];
  }
}

/** What `to` means: a task by its id, null where there is none, or else by its name. */
function addressOf({ parent_task_id, root_task_id }: TaskRow, to: string) {
  if (to === PARENT) return { to, id: parent_task_id, name: null };
  if (to === ORCHESTRATOR) return { to, id: root_task_id, name: null };
  return isUUID(to) ? { to, id: to.toLowerCase(), name: null } : { to, id: null, name: to.trim() };
}

/** Wakes one who waits; what rings while nobody does is not missed. */
class Bell {
  private hasRung = false;
  private wake: (() => void) | undefined;

  constructor(private readonly signal: AbortSignal) {}

  get isOver(): boolean {
    return this.signal.aborted;
  }

  ring(): void {
    this.hasRung = true;
    this.wake?.();
  }

  /** Resolves at the next ring, when the caller has left, or after `milliseconds`. */
  async next(milliseconds: number): Promise<void> {
    if (!this.hasRung && !this.signal.aborted) {
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer);
          this.signal.removeEventListener('abort', end);
          this.wake = undefined;
          resolve();
        };
        const timer = setTimeout(end, milliseconds);
        this.signal.addEventListener('abort', end);
        this.wake = end;
      });
    }
    this.hasRung = false;
  }
}

function toSessionTaskMessage(row: ReceivedMessage): SessionTaskMessage {
  const { from_name: name, from_title: title } = row;
  return {
    message_id: row.message_id,
    from_task_id: row.from_task_id,
    from_name: row.from_task_id === null ? null : displayName({ name, title }),
    kind: row.kind,
    subject: row.subject,
    body: row.body,
    created_at: row.created_at.toISOString(),
    delivered_at: row.delivered_at?.toISOString() ?? null,
    read_at: row.read_at?.toISOString() ?? null,
  };
}
