import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { defineError, DomainError, isDomainError, type ErrorKind, type ErrorMembers } from '@holdfast/platform-errors';
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

/** What an error says, kept to be said again. */
interface Refusal {
  code: string;
  kind: ErrorKind;
  title: string;
  detail: string;
  members: ErrorMembers;
}

/** How a request was answered first: `response`, unless it was refused. */
interface FirstAnswer<T> {
  fingerprint: Buffer;
  response: T | null;
  refusal: Refusal | null;
}

/**
 * Refusals that say how things stood when the request was judged, which is its answer for good. The others say that it
 * was not judged: by whoever may not ask, or for now.
 */
const FINAL_KINDS: readonly ErrorKind[] = ['not-found', 'conflict', 'gone', 'precondition-failed', 'unprocessable'];

/**
 * Answers a repeated request like its first call (law 4), from a row in the same commit as its effect. Whoever was
 * refused finds its refusal there too, so that a try which is late by whatever happened to it takes no effect after
 * another one under its key was answered.
 */
@Injectable()
export class IdempotencyKeys {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /**
   * Runs `work` in a transaction, with effect at most once per key. A second caller waits for the first one's commit and
   * gets its result, or its refusal. Where one that was done comes `again`, that gives the result from then on, in a
   * transaction that has the key for itself. Errors: idempotency_key_reused, and those of `work`.
   */
  async once<T extends object>(
    call: IdempotentRequest,
    work: (tx: Transaction) => Promise<T>,
    again?: (tx: Transaction, result: T) => Promise<T>,
  ): Promise<T> {
    const { project_id, operation, key } = call;
    if (key === undefined) return this.unitOfWork.run(work);
    const id = [project_id, operation, key];
    const fingerprint = createHash('sha256').update(canonical(call.request)).digest();

    const first = await this.firstAnswer(id, fingerprint, work, again);
    if (!first.fingerprint.equals(fingerprint)) throw IdempotencyKeyReused({ key });
    if (first.refusal) throw refusalOf(first.refusal);
    return first.response!;
  }

  /** What a request that was done is answered with, alone with its key until the commit; undefined where it is forgotten. */
  async resultOf<T extends object>(
    tx: Transaction,
    { project_id, operation, key }: Pick<IdempotentRequest, 'project_id' | 'operation' | 'key'>,
  ): Promise<T | undefined> {
    const row = await tx.queryOne<{ response: T | null }>(
      `SELECT response FROM idempotency_keys WHERE project_id = $1 AND operation = $2 AND key = $3 FOR UPDATE`,
      [project_id, operation, key],
    );
    return row?.response ?? undefined;
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

  private async firstAnswer<T>(
    id: string[],
    fingerprint: Buffer,
    work: (tx: Transaction) => Promise<T>,
    again?: (tx: Transaction, result: T) => Promise<T>,
  ): Promise<FirstAnswer<T>> {
    try {
      return await this.unitOfWork.run(async (tx) => {
        if (await this.insert(tx, id, fingerprint, null)) return await this.keep(tx, id, fingerprint, await work(tx));
        const first = await this.answered<T>(tx, id, again && 'FOR UPDATE');
        if (!again || !first.response || !first.fingerprint.equals(fingerprint)) return first;
        return this.keep(tx, id, fingerprint, await again(tx, first.response));
      });
    } catch (error) {
      if (!isDomainError(error) || !FINAL_KINDS.includes(error.kind)) throw error;
      const { code, kind, title, message: detail, members } = error;
      return this.unitOfWork.run(async (tx) => {
        // Where another try came between, that one's answer is the answer.
        await this.insert(tx, id, fingerprint, { code, kind, title, detail, members });
        return this.answered<T>(tx, id);
      });
    }
  }

  /** False when the key has an answer already: of whoever was first, once that is committed. */
  private async insert(tx: Transaction, id: string[], fingerprint: Buffer, refusal: Refusal | null): Promise<boolean> {
    const row = await tx.queryOne(
      `INSERT INTO idempotency_keys (project_id, operation, key, fingerprint, refusal) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT DO NOTHING RETURNING key`,
      [...id, fingerprint, refusal && JSON.stringify(refusal)],
    );
    return row !== undefined;
  }

  private async keep<T>(tx: Transaction, id: string[], fingerprint: Buffer, response: T): Promise<FirstAnswer<T>> {
    await tx.query(`UPDATE idempotency_keys SET response = $4 WHERE project_id = $1 AND operation = $2 AND key = $3`, [
      ...id,
      JSON.stringify(response),
    ]);
    return { fingerprint, response, refusal: null };
  }

  private async answered<T>(tx: Transaction, id: string[], lock: 'FOR UPDATE' | '' = ''): Promise<FirstAnswer<T>> {
    const row = await tx.queryOne<FirstAnswer<T>>(
      `SELECT fingerprint, response, refusal FROM idempotency_keys WHERE project_id = $1 AND operation = $2 AND key = $3 ${lock}`,
      id,
    );
    if (!row) throw new Error(`Idempotency-Key "${id.at(-1)}" was forgotten while it was used`);
    return row;
  }
}

const refusalOf = ({ code, kind, title, detail, members }: Refusal) =>
  new DomainError(code, kind, title, detail, members);

/** The same text for the same request, whatever the order of its keys. */
function canonical(request: object): string {
  return JSON.stringify(request, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
