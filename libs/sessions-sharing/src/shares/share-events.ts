import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import { TaskActivity } from '../activity/task-activity.service.js';
import { SharingLog } from '../ports/sharing-log.port.js';
import { TasksRepository } from '../tasks/tasks.repository.js';
import { endOf, sourceTypeOf, type ShareRow } from './share.row.js';

/** What happens to shares, told in the commit of the fact: in the log of the host and in the activity of its task. */
@Injectable()
export class ShareEvents {
  constructor(
    private readonly log: SharingLog,
    private readonly activity: TaskActivity,
    private readonly tasks: TasksRepository,
  ) {}

  async created(tx: Transaction, share: ShareRow): Promise<void> {
    const { share_id, scope, role, origin, source_task_id } = share;
    const data = { share_id, scope, role, origin, source_type: sourceTypeOf(share), source_task_id };
    this.tell(tx, share, 'share.created', data);
    await this.tellTree(tx, share, 'share.created', { share_id, scope, role });
  }

  async ended(tx: Transaction, share: ShareRow): Promise<void> {
    const { share_id, scope, role } = share;
    const data = { share_id, scope, role, reason: endOf(share).end_reason };
    this.tell(tx, share, 'share.ended', data);
    await this.tellTree(tx, share, 'share.ended', data);
  }

  /** The task of the session became known. */
  sourceChanged(tx: Transaction, share: ShareRow): void {
    const { share_id, source_task_id } = share;
    const data = { share_id, source_type: sourceTypeOf(share), source_task_id };
    this.tell(tx, share, 'session.source_changed', data);
  }

  private tell(tx: Transaction, { project_id, host_session_id }: ShareRow, type: string, data: object): void {
    if (host_session_id !== null) this.log.append(tx, { project_id, session_id: host_session_id }, { type, data });
  }

  private async tellTree(
    tx: Transaction,
    { project_id, host_task_id }: ShareRow,
    type: 'share.created' | 'share.ended',
    data: Record<string, unknown>,
  ): Promise<void> {
    if (host_task_id === null) return;
    const task = await this.tasks.find({ project_id, task_id: host_task_id }, tx);
    if (task) await this.activity.tell(tx, task, { type, data });
  }
}
