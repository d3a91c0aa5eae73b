import type { SharePrincipal } from './principal.js';

/** Whoever keeps shares and those who joined through them. What it says of one is at most a second old. */
export abstract class ShareCredentials {
  /** Who a token stands for, when it was authenticated a moment ago. */
  abstract known(text: string): SharePrincipal | undefined;

  /** Who a token stands for. Errors: unauthenticated; share_ended, for the right token only. */
  abstract authenticate(text: string): Promise<SharePrincipal>;

  /**
   * Calls `listener` as soon as a share ended or gives another role, in whichever process that was done, with the share;
   * without one where any may have. A hint may be lost. Returns how to stop.
   */
  abstract onChange(listener: (share_id: string | undefined) => void): () => void;
}
