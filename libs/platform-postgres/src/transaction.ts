import type { EntityManager } from 'typeorm';

/** The part of a `pg` client that a transaction uses. */
export interface SqlClient {
  query(statement: { text: string; values: unknown[]; name?: string }): Promise<{ rows: unknown[] }>;
}

/**
 * One open transaction, handed to every write as its first argument so that no write can forget it.
 *
 * Locks are taken in one order everywhere: fences, then domain rows, then logs, each by id. Logs come last because
 * whatever is registered with `lastly` runs just before the commit.
 */
export class Transaction {
  private readonly finalSteps: (() => Promise<void>)[] = [];
  private readonly reactions: (() => void)[] = [];

  constructor(
    /** TypeORM's manager of this transaction, for repositories. */
    readonly manager: EntityManager,
    private readonly client: SqlClient,
  ) {}

  /** Rows of one statement. Use RETURNING to learn what a write did. */
  async query<Row = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.client.query({ text, values })).rows as Row[];
  }

  /** The first row, if any. */
  async queryOne<Row = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row | undefined> {
    return (await this.query<Row>(text, values))[0];
  }

  /** Runs `step` as one of the last statements before the commit, in the order of registration. */
  lastly(step: () => Promise<void>): void {
    this.finalSteps.push(step);
  }

  /** Runs `reaction` once the commit is durable; never after a rollback. It must not throw. */
  afterCommit(reaction: () => void): void {
    this.reactions.push(reaction);
  }

  /**
   * Does `work` in the transaction that it is handed, or nothing of it: where it throws, this one goes on as if it had
   * never begun, and the error is the caller's to judge.
   */
  async attempt<T>(work: (inner: Transaction) => Promise<T>): Promise<T> {
    const inner = new Transaction(this.manager, this.client);
    await this.query('SAVEPOINT attempt');
    try {
      const result = await work(inner);
      await this.query('RELEASE SAVEPOINT attempt');
      this.lastly(() => inner.runFinalSteps());
      this.afterCommit(() => inner.runReactions());
      return result;
    } catch (error) {
      // The connection may be what failed; the first error is the one to report.
      await this.query('ROLLBACK TO SAVEPOINT attempt').catch(() => undefined);
      throw error;
    }
  }

  /** @internal Called by the unit of work only. */
  async runFinalSteps(): Promise<void> {
    for (const step of this.finalSteps) await step();
  }

  /** @internal Called by the unit of work only. */
  runReactions(): void {
    for (const reaction of this.reactions) reaction();
  }
}
