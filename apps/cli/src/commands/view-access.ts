import { HoldfastError, parseShareLink, type ViewerAccess } from '@holdfast/client';
import { endpoint } from '../config.js';
import type { GlobalOptions } from '../desk.js';
import { UsageError } from '../usage-error.js';

/** A link opens what it is for, with no key; the id of a session needs one. Throws UsageError. */
export function accessTo(target: string, options: GlobalOptions): ViewerAccess & { session_id?: string } {
  if (parseShareLink(target)) return { link: target };
  if (/^https?:/i.test(target)) {
    throw new UsageError('This is not a whole link: one ends in #hf_share_… Copy all of it, and put it in quotes.');
  }
  const { url, apiKey } = endpoint(options);
  return { url, credential: apiKey, session_id: target };
}

/** Why a view failed, in the words of whoever came by a link: they have no key to send. */
export function failureOf(error: unknown, access: ViewerAccess): unknown {
  if (!('link' in access) || !(error instanceof HoldfastError) || error.code !== 'unauthenticated') return error;
  return new UsageError(
    'This link opens nothing: it was not copied as it is, or another one has taken its place. Ask for a new one.',
  );
}
