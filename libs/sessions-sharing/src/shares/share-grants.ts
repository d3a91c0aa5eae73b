import { Injectable } from '@nestjs/common';
import {
  ShareCredentials,
  ShareEnded,
  Unauthenticated,
  readShareToken,
  sharePrincipal,
  type SharePrincipal,
} from '@holdfast/platform-auth';
import type { Transaction } from '@holdfast/platform-postgres';
import { ShareChanges, type ShareListener } from './share-changes.js';
import { opensItsHost, strengthOf } from './share-chain.rules.js';
import { SharesRepository, type HeldShare } from './shares.repository.js';

/** Well below the second that a share may be known for. */
const KNOWN_FOR_MS = 900;
const KNOWN_TOKENS = 10_000;

/** Who acts through a share. */
@Injectable()
export class ShareGrants extends ShareCredentials {
  /** Tokens that were looked up lately, with the shares that they depend on. */
  private readonly verified = new Map<string, { principal: SharePrincipal; until: number }>();
  /** Counted, so that what was looked up meanwhile is not remembered. */
  private changes = 0;

  constructor(
    private readonly shares: SharesRepository,
    private readonly shareChanges: ShareChanges,
  ) {
    super();
    // Of any share: what one is made through reaches those that it opens, too.
    shareChanges.onChange(() => {
      this.verified.clear();
      this.changes += 1;
    });
  }

  known(text: string): SharePrincipal | undefined {
    const verified = this.verified.get(text);
    if (!verified) return undefined;
    if (performance.now() < verified.until) return verified.principal;
    this.verified.delete(text);
    return undefined;
  }

  async authenticate(text: string): Promise<SharePrincipal> {
    const known = this.known(text);
    if (known) return known;
    const token = readShareToken(text);
    if (!token) throw Unauthenticated();
    const { changes } = this;
    const begun = performance.now();
    const principal = principalOf(await this.shares.heldByToken(token.kind, token.hash));
    if (!principal) throw Unauthenticated();
    if (changes === this.changes) this.remember(text, principal, begun + KNOWN_FOR_MS);
    return principal;
  }

  /**
   * Who acts as a participant, or with a link, now: for work that they left behind. Undefined where nobody does any more.
   */
  async principalOf(tx: Transaction, project_id: string, holder_id: string): Promise<SharePrincipal | undefined> {
    const held = await this.shares.heldBy(tx, project_id, holder_id);
    return strengthOf(held).ended ? undefined : principalOf(held);
  }

  onChange(listener: ShareListener): () => void {
    return this.shareChanges.onChange(listener);
  }

  private remember(text: string, principal: SharePrincipal, until: number): void {
    if (this.verified.size >= KNOWN_TOKENS) this.verified.delete(this.verified.keys().next().value!);
    this.verified.set(text, { principal, until });
  }
}

/** Undefined where nobody holds anything. Errors: share_ended. */
function principalOf(held: HeldShare[]): SharePrincipal | undefined {
  const own = held[0];
  if (!own) return undefined;
  const { role, ended } = strengthOf(held);
  if (ended) throw ShareEnded({ reason: ended });
  const { created_by_id: maker_id } = held.at(-1)!;
  const isPrivate = own.host_owner_id !== null && own.host_owner_id !== maker_id;
  const isOpen = !isPrivate && opensItsHost(held);
  return sharePrincipal(own.project_id, {
    share_id: own.share_id,
    participant_id: own.participant_id,
    role,
    scope: own.scope,
    session_id: isOpen ? own.host_session_id : null,
    task_id: isOpen ? own.host_task_id : null,
    maker_id,
  });
}
