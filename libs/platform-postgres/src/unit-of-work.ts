import { Injectable } from '@nestjs/common';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { Transaction, type SqlClient } from './transaction.js';

/** A statement that PostgreSQL parses and plans once per connection. */
export interface PreparedStatement {
  /** The same for the same text, everywhere. */
  name: string;
  text: string;
  values: unknown[];
}

/** Opens transactions. Services own them; controllers and job handlers never do. */
@Injectable()
export class UnitOfWork {
  constructor(private readonly dataSource: DataSource) {}

  /** Commits what `work` did, or nothing of it. What it returns is true once this resolves. */
  async run<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    try {
      const client = (await runner.connect()) as SqlClient;
      await runner.startTransaction();
      const tx = new Transaction(runner.manager, client);
      const result = await work(tx);
      await tx.runFinalSteps();
      await runner.commitTransaction();
      tx.runReactions();
      return result;
    } catch (error) {
      // The connection may be what failed; the first error is the one to report.
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }

  /** Rows of one read outside any transaction. */
  async query<Row = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.dataSource.query(text, values)) as Row[];
  }

  /** Rows of one prepared statement outside any transaction; what it writes is committed when this resolves. */
  async statement<Row = Record<string, unknown>>(statement: PreparedStatement): Promise<Row[]> {
    const pool = (this.dataSource.driver as unknown as { master: pg.Pool }).master;
    return (await pool.query(statement as pg.QueryConfig)).rows as Row[];
  }

  /** The first row, if any. */
  async queryOne<Row = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row | undefined> {
    return (await this.query<Row>(text, values))[0];
  }
}
