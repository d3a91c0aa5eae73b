import { isUUID } from 'class-validator';
import { isStorableText } from '@holdfast/platform-http';
import { SESSION_ID_PATTERN } from '@holdfast/platform-postgres';
import type { TurnBeat } from './turn-leases.repository.js';

/** A beat as it arrived: one that can be judged, or why not. Both name turn and epoch as far as they are told. */
export type ParsedBeat = { turn_id: string | null; epoch: number | null } & ({ beat: TurnBeat } | { fault: string });

const MAX_AGENT_SESSION_CHARACTERS = 256;

const isText = (value: unknown) =>
  typeof value === 'string' && value.length <= MAX_AGENT_SESSION_CHARACTERS && isStorableText(value);
const isAbsentOr = (check: (value: unknown) => boolean) => (value: unknown) =>
  value === undefined || value === null || check(value);
const isEpoch = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;

/** What each field must be. Others are left alone, so that a newer runner is not refused by an older api. */
const FIELDS: Record<string, { check: (value: unknown) => boolean; must: string }> = {
  session_id: {
    check: (value) => typeof value === 'string' && SESSION_ID_PATTERN.test(value),
    must: 'be 1 to 128 letters, digits, "_" or "-"',
  },
  turn_id: { check: (value) => isUUID(value), must: 'be a UUID' },
  epoch: { check: isEpoch, must: `be an integer from 0 to ${Number.MAX_SAFE_INTEGER}` },
  status: { check: (value) => value === 'starting' || value === 'running', must: 'be "starting" or "running"' },
  agent_session_id: {
    check: isAbsentOr(isText),
    must: `be a string of at most ${MAX_AGENT_SESSION_CHARACTERS} characters without U+0000 or an unpaired surrogate`,
  },
  sandbox_live: { check: isAbsentOr((value) => typeof value === 'boolean'), must: 'be a boolean' },
};

/** Judges one entry of a replica's beat by itself: a thousand of them come every few seconds, and one must not spoil the others. */
export function parseTurnBeat(sent: unknown): ParsedBeat {
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) {
    return { turn_id: null, epoch: null, fault: 'a beat must be an object' };
  }
  const entry = sent as Record<string, unknown>;
  const named = {
    turn_id: FIELDS.turn_id!.check(entry.turn_id) ? (entry.turn_id as string).toLowerCase() : null,
    epoch: isEpoch(entry.epoch) ? (entry.epoch as number) : null,
  };
  const faults = Object.entries(FIELDS).filter(([field, { check }]) => !check(entry[field]));
  if (faults.length) return { ...named, fault: faults.map(([field, { must }]) => `${field} must ${must}`).join('; ') };
  const beat = {
    session_id: entry.session_id as string,
    turn_id: named.turn_id!,
    epoch: entry.epoch as number,
    status: entry.status as TurnBeat['status'],
    agent_session_id: (entry.agent_session_id ?? undefined) as string | undefined,
    sandbox_live: (entry.sandbox_live ?? undefined) as boolean | undefined,
  };
  return { ...named, beat };
}
