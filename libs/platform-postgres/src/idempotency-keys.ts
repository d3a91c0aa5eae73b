import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { defineError } from '@holdfast/platform-errors';
import type { Transaction } from './transaction.js';
import { UnitOfWork } from './unit-of-work.js';

/** The `Idempotency-Key` was used before for something else. */
export const IdempotencyKeyReused = defineError<{ key: string }>({
  code: 'idempotency_key_reused',
  kind: 'unprocessable',
  title: 'Idempotency key reused',
  detail: ({ key }) => `Idempotency-Key "${key}" was used before with another request. Use a new key.`,
});

/** One request that must take effect once. */
export interface IdempotentRequest {
  project_id: string;
  /** The operation id, so that one key may serve one call of each operation. */
  operation: string;
  /** From the `Idempotency-Key` header; without one the work simply runs. */
  key: string | undefined;
  /** The parsed request; another one under the same key is refused. */
  request: object;
}

/** Answers a repeated request like its first call (law 4), from a row in the same commit as its effect. */
@Injectable()
export class IdempotencyKeys {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** Runs `work` at most once per key. A second caller waits for the first one's commit and gets its result. */
  async once<T extends object>(tx: Transaction, call: IdempotentRequest, work: () => Promise<T>): Promise<T> {
    if (call.key === undefined) return work();
    const id = [call.project_id, call.operation, call.key];
    const fingerprint = createHash('sha256').update(canonical(call.request)).digest();

    const mine = await tx.queryOne(
      `INSERT INTO idempotency_keys (project_id, operation, key, fingerprint) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING RETURNING key`,
      [...id, fingerprint],
    );
    if (!mine) return this.firstAnswer<T>(tx, id, fingerprint, call.key);

    const result = await work();
    await tx.query(`UPDATE idempotency_keys SET response = $4 WHERE project_id = $1 AND operation = $2 AND key = $3`, [
      ...id,
      JSON.stringify(result),
    ]);
    return result;
  }

  /** Forgets up to `limit` keys that are more than a day old; returns how many. */
  async prune(limit: number): Promise<number> {
    const rows = await this.unitOfWork.run((tx) =>
      tx.query(
        `DELETE FROM idempotency_keys k USING (
           SELECT project_id, operation, key FROM idempotency_keys
            WHERE created_at < now() - interval '1 day' LIMIT $1 FOR UPDATE SKIP LOCKED) old
          WHERE k.project_id = old.project_id AND k.operation = old.operation AND k.key = old.key RETURNING k.key`,
        [limit],
      ),
    );
    return rows.length;
  }

  private async firstAnswer<T>(tx: Transaction, id: unknown[], fingerprint: Buffer, key: string): Promise<T> {
    const row = await tx.queryOne<{ fingerprint: Buffer; response: T }>(
      `SELECT fingerprint, response FROM idempotency_keys WHERE project_id = $1 AND operation = $2 AND key = $3`,
      id,
    );
    if (!row || !row.fingerprint.equals(fingerprint)) throw IdempotencyKeyReused({ key });
    return row.response;
  }
}

/** The same text for the same request, whatever the order of its keys. */
function canonical(request: object): string {
  return JSON.stringify(request, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
