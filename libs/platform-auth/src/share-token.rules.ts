import { createHash, randomBytes } from 'node:crypto';

/** How credentials of shares begin: of a link, and of whoever joined with one. */
export const SHARE_TOKEN_PREFIX = 'hf_share_';
export const VIEW_TOKEN_PREFIX = 'hf_view_';

/** As keys are: a prefix that may be shown, then 256 random bits. */
const TOKEN_TEXT = /^hf_(share|view)_[0-9a-f]{16}_[0-9a-f]{64}$/;

export type ShareTokenKind = 'share' | 'view';

/** A new token: `token` is for its holder only and is never stored. */
export interface MintedShareToken {
  token: string;
  prefix: string;
  hash: Buffer;
}

export function mintShareToken(kind: ShareTokenKind): MintedShareToken {
  const prefix = randomBytes(8).toString('hex');
  const token = `hf_${kind}_${prefix}_${randomBytes(32).toString('hex')}`;
  return { token, prefix, hash: hashOfToken(token) };
}

export const isShareToken = (text: string) => text.startsWith(SHARE_TOKEN_PREFIX) || text.startsWith(VIEW_TOKEN_PREFIX);

/** What a well-formed token is found by: its hash alone, so that looking for it tells nothing of others. */
export function readShareToken(text: string): { kind: ShareTokenKind; hash: Buffer } | undefined {
  const kind = TOKEN_TEXT.exec(text)?.[1];
  return kind === undefined ? undefined : { kind: kind as ShareTokenKind, hash: hashOfToken(text) };
}

const hashOfToken = (token: string) => createHash('sha256').update(token).digest();
