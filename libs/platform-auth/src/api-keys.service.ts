import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { IsNull } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ApiKeyCache, type StoredKey } from './api-key-cache.js';
import { matchesHash, mintKey, prefixOf } from './api-key.rules.js';
import { ApiKeyNotFound, Unauthenticated } from './auth.errors.js';
import { ApiKeyEntity } from './entities/api-key.entity.js';
import { ProjectEntity } from './entities/project.entity.js';
import type { KeyPrincipal, Permission } from './principal.js';

/** A revoked key may still work for twice this in processes other than the one that revoked it. */
const CACHE_TTL_MS = 2_500;
const CACHED_KEYS = 10_000;

/** A key to make. A runner's key takes no permissions: it may do what runners do. */
export type ApiKeyCreate = {
  project_id: string;
  name: string;
  expires_at?: Date;
  /** The key that asked for it; absent when the key was made outside of any request. */
  created_by_id?: string;
} & ({ kind: 'user'; permissions: Permission[] } | { kind: 'runner' });

/** A key that was just made. `key` is shown this once and cannot be read again. */
export interface CreatedApiKey {
  id: string;
  prefix: string;
  key: string;
}

/** Projects and the keys that open them. */
@Injectable()
export class ApiKeys {
  private readonly cache = new ApiKeyCache(CACHE_TTL_MS, CACHED_KEYS);
  /** Counted, so that who was being authenticated meanwhile is not remembered. */
  private revocations = 0;
  /** Texts whose hash was compared, for as long. */
  private readonly verified = new Map<string, { principal: KeyPrincipal; until: number }>();

  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** Makes a project and returns its id. */
  async createProject(tx: Transaction, { name }: { name: string }): Promise<string> {
    const id = uuidv7();
    await tx.manager.getRepository(ProjectEntity).insert({ id, name });
    return id;
  }

  async createKey(tx: Transaction, key: ApiKeyCreate): Promise<CreatedApiKey> {
    const id = uuidv7();
    const { text, prefix, hash } = mintKey(key.kind);
    const { project_id, name, kind, expires_at, created_by_id } = key;
    const permissions = key.kind === 'user' ? key.permissions : [];
    await tx.manager
      .getRepository(ApiKeyEntity)
      .insert({ project_id, id, name, kind, prefix, hash, permissions, expires_at, created_by_id });
    return { id, prefix, key: text };
  }

  /** Ends a key for good: here from the commit on, in other processes within 5 s. Doing it again changes nothing. */
  async revokeKey(tx: Transaction, project_id: string, id: string, revoked_by_id: string | null): Promise<void> {
    const keys = tx.manager.getRepository(ApiKeyEntity);
    const key = await keys.findOneBy({ project_id, id });
    if (!key) throw ApiKeyNotFound({ id });
    await keys.update({ project_id, id, revoked_at: IsNull() }, { revoked_at: () => 'now()', revoked_by_id });
    tx.afterCommit(() => {
      this.cache.delete(key.prefix);
      this.verified.clear();
      this.revocations += 1;
    });
  }

  /** Who a key's text stands for, when it was authenticated lately. The text is found by a hash of its own. */
  known(text: string): KeyPrincipal | undefined {
    const verified = this.verified.get(text);
    if (!verified) return undefined;
    if (performance.now() < verified.until) return verified.principal;
    this.verified.delete(text);
    return undefined;
  }

  /** Who a key's text stands for. A malformed text never reaches the database. Throws `unauthenticated`. */
  async authenticate(text: string): Promise<KeyPrincipal> {
    const prefix = prefixOf(text);
    if (!prefix) throw Unauthenticated();
    const { revocations } = this;
    const key = await this.cache.get(prefix, () => this.load(prefix));
    if (!key || !matchesHash(text, key.hash)) throw Unauthenticated();
    const leftMs = key.expires_at ? key.expires_at.getTime() - Date.now() : CACHE_TTL_MS;
    if (leftMs <= 0) throw Unauthenticated();
    if (revocations === this.revocations) this.verify(text, key.principal, Math.min(leftMs, CACHE_TTL_MS));
    return key.principal;
  }

  /** Who acts with a key now, for work that its owner left behind; undefined once it was revoked or has expired. */
  principalOf(tx: Transaction, project_id: string, key_id: string): Promise<KeyPrincipal | undefined> {
    return tx.queryOne<KeyPrincipal>(
      `SELECT project_id, id AS key_id, kind, permissions FROM api_keys
        WHERE project_id = $1 AND id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
      [project_id, key_id],
    );
  }

  private verify(text: string, principal: KeyPrincipal, milliseconds: number): void {
    if (this.verified.size >= CACHED_KEYS) this.verified.clear();
    this.verified.set(text, { principal, until: performance.now() + milliseconds });
  }

  private async load(prefix: string): Promise<StoredKey | undefined> {
    // Plain SQL: in the way of every request whose key is not cached.
    const row = await this.unitOfWork.queryOne<ApiKeyEntity>(
      `SELECT * FROM api_keys WHERE prefix = $1 AND revoked_at IS NULL`,
      [prefix],
    );
    if (!row) return undefined;
    const { project_id, id: key_id, kind, permissions, hash, expires_at } = row;
    return { hash, expires_at, principal: { project_id, key_id, kind, permissions } };
  }
}
