import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '@holdfast/platform-postgres';
import type { HealthCheck } from './health-check.js';

/** PostgreSQL answers. Needs PostgresModule. */
@Injectable()
export class DatabaseHealthCheck implements HealthCheck {
  readonly name = 'database';
  readonly isVital = true;

  constructor(private readonly unitOfWork: UnitOfWork) {}

  async check(): Promise<void> {
    await this.unitOfWork.query('SELECT 1');
  }
}
