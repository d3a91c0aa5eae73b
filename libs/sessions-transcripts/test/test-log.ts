import type { SessionKey, Transaction, UnitOfWork } from '@holdfast/platform-postgres';
import type { EventBatch } from '../src/ports/event-source.port.js';
import type { SessionLogTail } from '../src/ports/log-tail.port.js';
import { logOf } from './session-events.js';

/** A session's log for tests, behind all three ports: events in memory, the mark in a table like the real one. */
export class TestLog {
  generation = 1;
  private events: unknown[] = [];

  constructor(
    readonly session: SessionKey,
    private readonly pageSize = 3,
  ) {}

  static createTable(unitOfWork: UnitOfWork): Promise<unknown> {
    return unitOfWork.query(
      `CREATE TABLE test_logs (project_id uuid, session_id text, generation int, projected bigint,
         PRIMARY KEY (project_id, session_id))`,
    );
  }

  /** Makes the log, or makes it again under the next generation. */
  async create(unitOfWork: UnitOfWork, generation = 1): Promise<void> {
    this.generation = generation;
    this.events = [];
    await unitOfWork.query(
      `INSERT INTO test_logs VALUES ($1, $2, $3, 0)
       ON CONFLICT (project_id, session_id) DO UPDATE SET generation = $3, projected = 0`,
      [this.session.project_id, this.session.session_id, generation],
    );
  }

  append(...events: unknown[]): void {
    this.events.push(...events);
  }

  read(_session: SessionKey, from: number, limit: number): Promise<EventBatch> {
    const events = logOf(...this.events).slice(from, from + Math.min(limit, this.pageSize));
    return Promise.resolve({ events, generation: this.generation, tail: this.events.length });
  }

  async advance(tx: Transaction, session: SessionKey, generation: number, from: number, to: number): Promise<boolean> {
    const rows = await tx.query(
      `UPDATE test_logs SET projected = $5
        WHERE project_id = $1 AND session_id = $2 AND generation = $3 AND projected = $4 RETURNING projected`,
      [session.project_id, session.session_id, generation, from, to],
    );
    return rows.length > 0;
  }

  of({ project_id, session_id }: SessionKey): Promise<SessionLogTail> {
    const exists = project_id === this.session.project_id && session_id === this.session.session_id;
    return Promise.resolve({ exists, generation: this.generation, tail: this.events.length });
  }
}
