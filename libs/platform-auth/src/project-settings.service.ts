import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import type { ProjectEntity } from './entities/project.entity.js';
import type { ProjectSettings, ProjectSettingsEdit } from './project-settings.dto.js';

/** What each project decides for itself. */
@Injectable()
export class ProjectSettingsService {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async fetch(project_id: string): Promise<ProjectSettings> {
    const row = await this.unitOfWork.queryOne<ProjectEntity>(`SELECT * FROM projects WHERE id = $1`, [project_id]);
    return toSettings(row!);
  }

  /** Changes what `edit` names. */
  async edit(project_id: string, by_id: string, edit: ProjectSettingsEdit): Promise<ProjectSettings> {
    return this.unitOfWork.run(async (tx) => {
      const row = await tx.queryOne<ProjectEntity>(
        `UPDATE projects
            SET allow_approval_bypass = coalesce($3, allow_approval_bypass), updated_at = now(), updated_by_id = $2
          WHERE id = $1 RETURNING *`,
        [project_id, by_id, edit.allow_approval_bypass ?? null],
      );
      return toSettings(row!);
    });
  }

  /** False also for a project that is not known. */
  async allowsApprovalBypass(tx: Transaction, project_id: string): Promise<boolean> {
    const row = await tx.queryOne<{ allowed: boolean }>(
      `SELECT allow_approval_bypass AS allowed FROM projects WHERE id = $1`,
      [project_id],
    );
    return row?.allowed ?? false;
  }
}

function toSettings({ allow_approval_bypass, updated_at, updated_by_id }: ProjectEntity): ProjectSettings {
  return { allow_approval_bypass, updated_at: updated_at.toISOString(), updated_by_id };
}
