import { Injectable, Logger } from '@nestjs/common';
import {
  hasRole,
  holds,
  mintShareToken,
  PermissionDenied,
  SessionAccess,
  type Principal,
  type ShareEndReason,
  type SharePrincipal,
  type ShareRole,
} from '@holdfast/platform-auth';
import { IdempotencyKeys, UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { v7 as uuidv7 } from 'uuid';
import { TaskActivity } from '../activity/task-activity.service.js';
import { roleOf } from '../participants/participant-role.rules.js';
import { ParticipantsOfShare } from '../participants/participants-of-share.js';
import { SharedSessions } from '../ports/shared-sessions.port.js';
import { TaskNotFound } from '../tasks/tasks.errors.js';
import { TasksRepository, type TaskRow } from '../tasks/tasks.repository.js';
import type { SessionShareCreate, SessionShareEdit, SessionShareRevoke } from './dto/session-share-create.dto.js';
import type { SessionShare } from './dto/session-share.dto.js';
import { ShareChanges } from './share-changes.js';
import { ShareEvents } from './share-events.js';
import { endOf, toSessionShare, type ShareRow } from './share.row.js';
import { ShareExceeded, ShareInvalid, ShareNotFound, ShareOver } from './shares.errors.js';
import { MAX_CHAIN, SharesRepository } from './shares.repository.js';

/** A share with its token, which is told this once. */
export interface SharedByToken {
  share: SessionShare;
  token: string;
}

/** Makes and ends shares. One is one row: what it opens is never copied. */
@Injectable()
export class SharesService {
  private readonly logger = new Logger(SharesService.name);

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly idempotency: IdempotencyKeys,
    private readonly shares: SharesRepository,
    private readonly sessions: SharedSessions,
    private readonly tasks: TasksRepository,
    private readonly activity: TaskActivity,
    private readonly participants: ParticipantsOfShare,
    private readonly access: SessionAccess,
    private readonly events: ShareEvents,
    private readonly changes: ShareChanges,
  ) {}

  /**
   * Shares a session or a task. Again under its key: the same share with another token, since tokens are not kept.
   * Errors: share_invalid, session_not_found, task_not_found, permission_denied, idempotency_key_reused; share_exceeded of
   * one that is made through a share; again, those of `rotate`.
   */
  async create(principal: Principal, create: SessionShareCreate, key: string | undefined): Promise<SharedByToken> {
    requireForm(create);
    requireRoleWithin(principal, create.role);
    const { project_id } = principal;
    const { session_id = null, task_id = null } = create;
    if (session_id !== null) await this.access.require(principal, session_id, 'full');
    else await this.access.requireTask(principal, task_id!, 'full');
    const call = {
      project_id,
      operation: 'create_session_share',
      // Whoever has a link chooses keys, too, and must meet nobody else's.
      key: key && `${principal.key_id}/${key}`,
      request: create,
    };
    let made: SharedByToken | undefined;
    const { share_id } = await this.idempotency.once(call, async (tx) => {
      made = await this.make(tx, principal, create);
      return { share_id: made.share.share_id };
    });
    return made ?? this.rotate(principal, share_id);
  }

  private async make(tx: Transaction, principal: Principal, create: SessionShareCreate): Promise<SharedByToken> {
    const { project_id } = principal;
    const { session_id = null, task_id = null, scope, role } = create;
    const token = mintShareToken('share');
    const task = await this.holdHost(tx, project_id, { session_id, task_id });
    const parent = principal.kind === 'share' ? await this.holdParent(tx, principal, create) : undefined;
    const row = await this.shares.insert(
      tx,
      {
        project_id,
        share_id: uuidv7(),
        session_id,
        task_id,
        scope,
        role,
        name: create.name ?? null,
        ...sourceOf(create),
        // What is told of a task must be known to be true where somebody else than the project tells it.
        source_task_id: task?.task_id ?? (parent ? null : (create.source?.source_task_id ?? null)),
        parent_share_id: parent?.share_id ?? null,
        created_by_id: principal.key_id,
        expires_at: create.expires_at ?? null,
        expires_in_seconds: create.expires_in_seconds ?? null,
      },
      token,
    );
    if (row.is_overdue) throw ShareInvalid({ reason: 'expires_at is in the past.' });
    if (task && scope === 'tree') await this.openActivity(tx, task);
    await this.events.created(tx, row);
    return { share: toSessionShare(row), token: token.token };
  }

  /** Errors: share_not_found, share_over; share_exceeded, permission_denied through a share. */
  async edit(principal: Principal, share_id: string, edit: SessionShareEdit): Promise<SessionShare> {
    return this.changing(principal, share_id, async (tx, share) => {
      if (edit.role) requireRoleWithin(principal, edit.role);
      const edited = await this.shares.edit(tx, share, edit, principal.key_id);
      if (edited.role !== share.role) await this.roleChanged(tx, share, edited);
      if (edited.is_overdue) throw ShareInvalid({ reason: 'expires_at is in the past; revoke the share instead.' });
      return toSessionShare(edited);
    });
  }

  /** Ends it with all that was made through it. Again changes nothing. Errors: share_not_found, permission_denied. */
  async revoke(principal: Principal, { share_id, reason }: SessionShareRevoke): Promise<SessionShare> {
    return this.unitOfWork.run(async (tx) => {
      const share = await this.requireOwn(tx, principal, share_id);
      if (share.ended_at === null) await this.end(tx, share, reason, principal.key_id);
      return toSessionShare((await this.shares.find(tx, share))!);
    });
  }

  /**
   * Gives it another token. The one before opens nothing any more, nor do the credentials of those who joined with it and
   * the shares that were made through it. Errors: share_not_found, share_over, permission_denied.
   */
  async rotate(principal: Principal, share_id: string): Promise<SharedByToken> {
    const token = mintShareToken('share');
    const share = await this.changing(principal, share_id, async (tx, { project_id, ...row }) => {
      // Whoever has the token has the role.
      requireRoleWithin(principal, row.role);
      await this.participants.cutOff(tx, { project_id, share_id });
      const rotated = await this.shares.rotate(tx, { project_id, ...row }, token, principal.key_id);
      await this.tellEnds(tx, await this.shares.endMadeThrough(tx, project_id, share_id, 'revoked', principal.key_id));
      return toSessionShare(rotated);
    });
    return { share, token: token.token };
  }

  /**
   * Ends what is shared of a session: those whose host it is, and what was made through them. Shares of what is above or
   * below it live on. By nobody where the server ends it. Returns how many ended.
   */
  async endOfHost(tx: Transaction, session: SessionKey, reason: ShareEndReason, by_id: string | null): Promise<number> {
    const ended = await this.shares.endOfHost(tx, session, reason, by_id);
    await this.tellEnds(tx, ended);
    return ended.length;
  }

  /** Notes the end of those whose time is over: nobody can use them already. Returns of how many. */
  async endOverdue(limit: number): Promise<number> {
    let noted = 0;
    for (const { project_id, share_id } of await this.shares.overdue(limit)) {
      try {
        await this.unitOfWork.run(async (tx) => {
          const share = await this.shares.lock(tx, { project_id, share_id });
          // It may have been given more time meanwhile.
          if (share?.is_overdue && share.ended_at === null) await this.end(tx, share, 'expired', null);
        });
        noted++;
      } catch (error) {
        // The others do not wait for it; the next round tries again.
        this.logger.error(`The end of share ${share_id} could not be noted`, error);
      }
    }
    return noted;
  }

  /** A remote task is shared from its start, by itself and once. */
  async shareTask(tx: Transaction, { project_id, task_id }: { project_id: string; task_id: string }): Promise<void> {
    const share = await this.shares.insertAutomatic(tx, { project_id, share_id: uuidv7(), task_id });
    if (share) await this.events.created(tx, share);
  }

  /**
   * A locked task has its session now: those to whom that is shared learn of it, once, and where it is shared as a tree,
   * can follow it from now on.
   */
  async sessionGotTask(tx: Transaction, task: TaskRow): Promise<void> {
    const session = { project_id: task.project_id, session_id: task.session_id! };
    for (const share of await this.shares.stampSource(tx, session, task.task_id)) {
      this.events.sourceChanged(tx, share);
      this.changes.announce(tx, share.share_id);
    }
    if (await this.shares.isTreeHost(tx, session)) await this.openActivity(tx, task);
  }

  /** What was made through it gives no more than it does itself. */
  private async roleChanged(tx: Transaction, share: ShareRow, { role }: ShareRow): Promise<void> {
    const { project_id, share_id } = share;
    await this.participants.roleChanged(tx, share, role);
    for (const made of await this.shares.madeThrough(tx, project_id, share_id)) this.changes.announce(tx, made);
  }

  private async openActivity(tx: Transaction, task: TaskRow): Promise<void> {
    if (!task.has_activity_log) await this.activity.openLog(tx, task);
  }

  private async end(tx: Transaction, { project_id, share_id }: ShareRow, reason: ShareEndReason, by_id: string | null) {
    await this.tellEnds(tx, await this.shares.end(tx, project_id, share_id, reason, by_id));
  }

  private async tellEnds(tx: Transaction, ended: ShareRow[]): Promise<void> {
    for (const share of ended) {
      await this.events.ended(tx, share);
      this.changes.announce(tx, share.share_id);
    }
  }

  private changing<T>(
    principal: Principal,
    share_id: string,
    change: (tx: Transaction, share: ShareRow) => Promise<T>,
  ): Promise<T> {
    return this.unitOfWork.run(async (tx) => {
      const share = await this.requireOwn(tx, principal, share_id);
      const { end_reason } = endOf(share);
      if (end_reason) throw ShareOver({ share_id, reason: end_reason });
      this.changes.announce(tx, share_id);
      return change(tx, share);
    });
  }

  /**
   * A share, locked, that its caller may change: with a key any that it sees; through a share those made through that, so
   * that nobody changes what they came by. Errors: share_not_found, permission_denied.
   */
  private async requireOwn(tx: Transaction, principal: Principal, share_id: string): Promise<ShareRow> {
    const { project_id } = principal;
    const share = await this.shares.lock(tx, { project_id, share_id });
    if (!share || !(await this.isSeen(tx, principal, share))) throw ShareNotFound({ share_id });
    return share;
  }

  private async isSeen(tx: Transaction, principal: Principal, share: ShareRow): Promise<boolean> {
    const { project_id, share_id, host_session_id } = share;
    if (principal.kind === 'share') {
      return this.shares.isMadeThrough(tx, project_id, share_id, principal.share.share_id);
    }
    if (host_session_id === null) return true;
    return (await this.access.reached(principal, [host_session_id], tx)).size > 0;
  }

  /** Keeps the host from going away before the commit. Returns its task, locked, where it has one. */
  private async holdHost(
    tx: Transaction,
    project_id: string,
    { session_id, task_id }: { session_id: string | null; task_id: string | null },
  ): Promise<TaskRow | undefined> {
    if (task_id === null) {
      const session = { project_id, session_id: session_id! };
      await this.sessions.hold(tx, session);
      return this.tasks.lockOfSession(tx, session);
    }
    // The fence comes first: whoever ends the host has that, then its shares, then the task.
    const found = await this.tasks.find({ project_id, task_id }, tx);
    if (found && found.session_id !== null) {
      await this.sessions.hold(tx, { project_id, session_id: found.session_id });
    }
    const task = await this.tasks.lock(tx, { project_id, task_id });
    if (!task) throw TaskNotFound({ task_id });
    return task;
  }

  /** The share that another is made through, kept from ending before the commit. Errors: share_exceeded, permission_denied. */
  private async holdParent(
    tx: Transaction,
    principal: SharePrincipal,
    { session_id, task_id, scope }: SessionShareCreate,
  ): Promise<ShareRow> {
    const { project_id, share: own } = principal;
    const isHost = session_id !== undefined ? session_id === own.session_id : task_id === own.task_id;
    if (own.scope === 'session' && (scope === 'tree' || !isHost)) {
      throw ShareExceeded({ reason: 'it opens one session.' });
    }
    const parent = await this.shares.lock(tx, { project_id, share_id: own.share_id }, 'SHARE');
    if (!parent || endOf(parent).ended_at) throw ShareNotFound({ share_id: own.share_id });
    const chain = await this.shares.heldBy(tx, project_id, principal.key_id);
    if (chain.length >= MAX_CHAIN)
      throw ShareExceeded({ reason: `at most ${MAX_CHAIN} are made one through another.` });
    return parent;
  }
}

/**
 * Nobody gives more than they have; whoever may share gives everybody a look. Errors: share_exceeded through a share, else
 * permission_denied.
 */
function requireRoleWithin(principal: Principal, role: ShareRole): void {
  const own = roleOf(principal);
  if (hasRole(own, role)) return;
  if (principal.kind === 'share') throw ShareExceeded({ reason: `its role is ${own}.` });
  throw PermissionDenied({ permission: holds(principal, 'VIEW_SESSIONS') ? 'RUN_SESSIONS' : 'VIEW_SESSIONS' });
}

/** Errors: share_invalid. */
function requireForm({ session_id, task_id, expires_at, expires_in_seconds }: SessionShareCreate): void {
  if ((session_id === undefined) === (task_id === undefined)) {
    throw ShareInvalid({ reason: 'Name a session_id or a task_id, and not both.' });
  }
  if (expires_at !== undefined && expires_in_seconds !== undefined) {
    throw ShareInvalid({ reason: 'Give expires_at or expires_in_seconds, not both.' });
  }
}

function sourceOf({ source }: SessionShareCreate): Pick<ShareRow, 'source_type' | 'ambient_task_id'> {
  const { source_type = 'user' } = source ?? {};
  if (typeof source_type === 'string') return { source_type, ambient_task_id: null };
  return { source_type: 'ambient_agent', ambient_task_id: source_type.ambient_agent.task_id ?? null };
}
