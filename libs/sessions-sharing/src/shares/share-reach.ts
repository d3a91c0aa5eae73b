import { Injectable } from '@nestjs/common';
import {
  notPrivateToOthers,
  requireRole,
  SessionAccess,
  type KeyPrincipal,
  type Principal,
  type Reads,
  type SharePrincipal,
  type ShareRole,
} from '@holdfast/platform-auth';
import { bindTo, SessionNotFound, UnitOfWork, type SessionFilter } from '@holdfast/platform-postgres';
import { TaskNotFound } from '../tasks/tasks.errors.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NOBODY: SessionFilter = () => 'false';

/** Of tasks `t` at or below the one that a placeholder stands for: by their ancestors, which never change. */
const atOrBelow = (host: string) => `(t.task_id = ${host} OR ${host} = ANY (t.ancestor_ids))`;

/** What is reached, computed from the tree at each check: nothing is granted ahead, so nothing can be left behind. */
@Injectable()
export class ShareReach extends SessionAccess {
  constructor(private readonly unitOfWork: UnitOfWork) {
    super();
  }

  async require(
    principal: Principal,
    session_id: string,
    least: ShareRole,
    reads: Reads = this.unitOfWork,
  ): Promise<void> {
    if (!(await this.reaches(principal, session_id, reads))) throw SessionNotFound({ session_id });
    requireRole(principal, least);
  }

  async requireTask(principal: Principal, task_id: string, least: ShareRole): Promise<void> {
    if (!(await this.reachesTask(principal, task_id))) throw TaskNotFound({ task_id });
    requireRole(principal, least);
  }

  async requireTree(principal: Principal, task_id: string, least: ShareRole): Promise<void> {
    if (principal.kind === 'share' && principal.share.scope !== 'tree') throw TaskNotFound({ task_id });
    await this.requireTask(principal, task_id, least);
  }

  async reachedActivities(principal: Principal, task_ids: string[]): Promise<Set<string>> {
    const known = task_ids.filter((task_id) => UUID.test(task_id));
    if (known.length === 0 || (principal.kind === 'share' && principal.share.scope !== 'tree')) return new Set();
    const values: unknown[] = [principal.project_id, known];
    const bind = bindTo(values);
    const rows = await this.unitOfWork.query<{ task_id: string }>(
      `SELECT t.task_id FROM tasks t
        WHERE t.project_id = $1 AND t.task_id = ANY ($2::uuid[]) AND ${this.tasksOf(principal, bind)}
          AND NOT EXISTS (
            SELECT FROM tasks below
             WHERE below.project_id = t.project_id AND below.root_task_id = t.root_task_id
               AND t.task_id = ANY (below.ancestor_ids) AND NOT ${this.notPrivate(principal, 'below', bind)})`,
      values,
    );
    return new Set(rows.map(({ task_id }) => task_id));
  }

  async reached(principal: Principal, session_ids: string[], reads: Reads = this.unitOfWork): Promise<Set<string>> {
    if (session_ids.length === 0) return new Set();
    if (principal.kind === 'share') return this.opened(principal, session_ids, reads);
    const values: unknown[] = [session_ids];
    const isSeen = this.filter(principal)('asked.session_id', bindTo(values));
    const rows = await reads.query<{ session_id: string }>(
      `SELECT asked.session_id FROM unnest($1::text[]) AS asked (session_id) WHERE ${isSeen}`,
      values,
    );
    return new Set(rows.map(({ session_id }) => session_id));
  }

  /** By the sessions that are asked for, however many the share opens. */
  private async opened(principal: SharePrincipal, session_ids: string[], reads: Reads): Promise<Set<string>> {
    const { project_id, share } = principal;
    const opened = new Set(session_ids.filter((session_id) => session_id === share.session_id));
    if (share.scope === 'session' || share.task_id === null || opened.size === session_ids.length) return opened;
    const values: unknown[] = [project_id, session_ids];
    const rows = await reads.query<{ session_id: string }>(
      `SELECT t.session_id FROM tasks t
        WHERE t.project_id = $1 AND t.session_id = ANY ($2::text[]) AND ${this.tasksOf(principal, bindTo(values))}`,
      values,
    );
    for (const { session_id } of rows) opened.add(session_id);
    return opened;
  }

  filter(principal: Principal): SessionFilter {
    const { project_id } = principal;
    switch (principal.kind) {
      case 'turn':
        return isOne(principal.turn.session_id);
      case 'share':
        return this.filterOf(principal);
      case 'user':
      case 'runner':
        return (column, bind) =>
          notPrivateToOthers(`${bind(project_id)}::uuid`, column, `${bind(principal.key_id)}::uuid`);
    }
  }

  private filterOf(principal: SharePrincipal): SessionFilter {
    const { project_id, share } = principal;
    const { scope, session_id, task_id } = share;
    const ofHost = session_id === null ? NOBODY : isOne(session_id);
    if (scope === 'session' || task_id === null) return ofHost;
    return (column, bind) => `(${ofHost(column, bind)} OR ${column} IN (
      SELECT t.session_id FROM tasks host
        JOIN tasks t ON t.project_id = host.project_id AND t.root_task_id = host.root_task_id
       WHERE host.project_id = ${bind(project_id)}::uuid AND host.task_id = ${bind(task_id)}::uuid
         AND t.session_id IS NOT NULL AND ${atOrBelow('host.task_id')} AND ${this.notPrivate(principal, 't', bind)}))`;
  }

  private async reaches(principal: Principal, session_id: string, reads: Reads): Promise<boolean> {
    switch (principal.kind) {
      case 'turn':
        return principal.turn.session_id === session_id;
      case 'share':
        return this.isOpen(principal, session_id, reads);
      case 'user':
      case 'runner':
        return !(await this.isPrivateToAnother(principal, session_id, reads));
    }
  }

  private async isOpen(principal: SharePrincipal, session_id: string, reads: Reads): Promise<boolean> {
    return (await this.opened(principal, [session_id], reads)).has(session_id);
  }

  private async isPrivateToAnother(
    { project_id, key_id }: KeyPrincipal,
    session_id: string,
    reads: Reads,
  ): Promise<boolean> {
    const row = await reads.queryOne(
      `SELECT 1 FROM private_sessions WHERE project_id = $1 AND session_id = $2 AND owner_id <> $3`,
      [project_id, session_id, key_id],
    );
    return row !== undefined;
  }

  private async reachesTask(principal: Principal, task_id: string): Promise<boolean> {
    if (!UUID.test(task_id)) return false;
    if (principal.kind === 'share' && principal.share.task_id === task_id.toLowerCase()) return true;
    const values: unknown[] = [principal.project_id, task_id];
    const row = await this.unitOfWork.queryOne(
      `SELECT 1 FROM tasks t
        WHERE t.project_id = $1 AND t.task_id = $2 AND ${this.tasksOf(principal, bindTo(values))}`,
      values,
    );
    return row !== undefined;
  }

  /** SQL that is true of the tasks `t` that somebody reaches. */
  private tasksOf(principal: Principal, bind: (value: unknown) => string): string {
    const notPrivate = () => this.notPrivate(principal, 't', bind);
    switch (principal.kind) {
      case 'turn':
        return `t.root_task_id = (SELECT root_task_id FROM tasks
          WHERE project_id = ${bind(principal.project_id)} AND session_id = ${bind(principal.turn.session_id)})`;
      case 'share': {
        const { scope, task_id } = principal.share;
        if (task_id === null) return 'false';
        const host = `${bind(task_id)}::uuid`;
        return `${scope === 'tree' ? atOrBelow(host) : `t.task_id = ${host}`} AND ${notPrivate()}`;
      }
      case 'user':
      case 'runner':
        return notPrivate();
    }
  }

  /** SQL that is true of tasks whose session is not private to another than somebody, or than who shared with them. */
  private notPrivate(principal: Principal, tasks: string, bind: (value: unknown) => string): string {
    if (principal.kind === 'turn') return 'true';
    const owner_id = principal.kind === 'share' ? principal.share.maker_id : principal.key_id;
    return notPrivateToOthers(`${tasks}.project_id`, `${tasks}.session_id`, `${bind(owner_id)}::uuid`);
  }
}

const isOne =
  (session_id: string): SessionFilter =>
  (column, bind) =>
    `${column} = ${bind(session_id)}`;
