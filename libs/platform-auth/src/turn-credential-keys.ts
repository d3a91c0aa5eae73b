import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '@holdfast/platform-postgres';

/** What signs credentials. */
export interface TurnCredentialKey {
  kid: string;
  secret: KeyObject;
}

interface KeyRing {
  /** Newest first, with their ages in seconds when they were read, by the database's clock. */
  keys: (TurnCredentialKey & { age: number })[];
  readAt: number;
}

const ROTATED_AFTER_SECONDS = 24 * 3_600;
/** How old what a process knows of the keys may be. */
const READ_EVERY_MS = 60_000;
/** A key that is not known is looked for no more often than this: anybody can make its name up. */
const LOOK_AGAIN_MS = 1_000;
/** A new key signs only when every process has read it; the very first one signs at once. */
const ANNOUNCED_FOR_SECONDS = (2 * READ_EVERY_MS) / 1_000;
const SECRET_BYTES = 32;
/** Any number: it only has to be the same for everybody who makes a key in this database. */
const KEY_LOCK = 5_170_301;

/** Keys whose last credential has run out: those that a newer one replaced an hour ago. */
const OUTLIVED = `EXISTS (SELECT FROM turn_credential_keys newer
  WHERE newer.created_at > key.created_at AND newer.created_at < now() - interval '1 hour')`;

/**
 * The secrets that turn credentials are signed with, shared by all processes through the database: made when one is
 * first needed, replaced after a day, good for verifying until an hour after that.
 */
@Injectable()
export class TurnCredentialKeys {
  private ring: KeyRing = { keys: [], readAt: Number.NEGATIVE_INFINITY };
  private reading: Promise<KeyRing> | undefined;
  private making: Promise<KeyRing> | undefined;

  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** The key to sign with now. */
  async current(): Promise<TurnCredentialKey> {
    const { keys } = await this.readSince(READ_EVERY_MS);
    return signerOf(keys[0] && keys[0].age < ROTATED_AFTER_SECONDS ? keys : (await this.rotated()).keys);
  }

  /** The key of that name, unless it is outlived or never was. */
  async find(kid: string): Promise<TurnCredentialKey | undefined> {
    const ring = await this.readSince(READ_EVERY_MS);
    if (ring.keys.length === 0) return keyOf(await this.read(), kid);
    return keyOf(ring, kid) ?? keyOf(await this.readSince(LOOK_AGAIN_MS), kid);
  }

  /** What is known, read again when that was longer ago than `maxAgeMs`. Callers at the same moment share one query. */
  private async readSince(maxAgeMs: number): Promise<KeyRing> {
    if (performance.now() - this.ring.readAt < maxAgeMs) return this.ring;
    this.reading ??= this.read().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async read(): Promise<KeyRing> {
    const readAt = performance.now();
    const rows = await this.unitOfWork.query<{ kid: string; secret: Buffer; age: number }>(
      `SELECT kid, secret, EXTRACT(epoch FROM now() - created_at)::float8 AS age FROM turn_credential_keys key
        WHERE NOT ${OUTLIVED} ORDER BY created_at DESC`,
    );
    this.ring = { keys: rows.map(({ kid, secret, age }) => ({ kid, age, secret: createSecretKey(secret) })), readAt };
    return this.ring;
  }

  private rotated(): Promise<KeyRing> {
    this.making ??= this.rotate().finally(() => (this.making = undefined));
    return this.making;
  }

  /** Of several processes that find the same key old, one makes the next. */
  private async rotate(): Promise<KeyRing> {
    await this.unitOfWork.run(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock($1)`, [KEY_LOCK]);
      await tx.query(
        `INSERT INTO turn_credential_keys (kid, secret)
         SELECT $1, $2 WHERE NOT EXISTS (
           SELECT FROM turn_credential_keys WHERE created_at > now() - make_interval(secs => $3))`,
        [randomBytes(8).toString('hex'), randomBytes(SECRET_BYTES), ROTATED_AFTER_SECONDS],
      );
      await tx.query(`DELETE FROM turn_credential_keys key WHERE ${OUTLIVED}`);
    });
    return this.read();
  }
}

const keyOf = ({ keys }: KeyRing, kid: string) => keys.find((key) => key.kid === kid);

function signerOf(keys: KeyRing['keys']): TurnCredentialKey {
  const key = keys.find(({ age }) => age >= ANNOUNCED_FOR_SECONDS) ?? keys.at(-1);
  if (!key) throw new Error('there is no key to sign a turn credential with, although one was just made');
  return key;
}
