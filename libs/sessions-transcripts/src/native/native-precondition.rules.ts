import { PreconditionMalformed, PreconditionRequired } from './native-transcripts.errors.js';

/** What a save says of what it builds on: nothing is there yet, or this version is the newest. */
export type NativePrecondition = { create: true } | { create: false; version: number };

const ENTITY_TAG = /^"([1-9][0-9]{0,8})"$/;

/** If-Match with one version, or If-None-Match with `*` (RFC 9110, section 13.1). Throws precondition_required, precondition_malformed. */
export function parseNativePrecondition(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
): NativePrecondition {
  if (ifMatch === undefined && ifNoneMatch === undefined) throw PreconditionRequired();
  if (ifMatch !== undefined && ifNoneMatch !== undefined) throw PreconditionMalformed();
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() !== '*') throw PreconditionMalformed();
    return { create: true };
  }
  const version = ENTITY_TAG.exec(ifMatch!.trim())?.[1];
  if (version === undefined) throw PreconditionMalformed();
  return { create: false, version: Number(version) };
}
