import { oneLine } from './printable.js';
import type { Style } from './style.js';
import { record, string } from './wire.js';

export type TurnEnd = 'completed' | 'failed' | 'cancelled' | 'superseded' | 'merged' | 'paused' | 'lost';

const END = /^turn\.(completed|failed|cancelled|superseded|merged|paused|lost)$/;

/** How the turn ended, if this is the type of the event that says so. */
export function turnEndOf(type: string): TurnEnd | undefined {
  return END.exec(type)?.[1] as TurnEnd | undefined;
}

export const EXIT_CODES: Record<TurnEnd, number> = {
  completed: 0,
  merged: 0,
  paused: 0,
  failed: 1,
  lost: 1,
  cancelled: 130,
  superseded: 130,
};

/** One line that says how a turn ended, from the `data` of its end, and why when it went wrong. */
export function turnEndLine(end: TurnEnd, data: unknown, style: Style): string {
  const { stop_reason, usage, error } = record(data);
  const { code, message } = record(error);
  const details = [
    ['end_turn', end].includes(string(stop_reason)) ? '' : oneLine(string(stop_reason)),
    usageText(usage),
    message ? `${oneLine(string(message))} (${oneLine(string(code))})` : '',
  ].filter(Boolean);
  const head = end === 'completed' ? style.good(`✓ ${end}`) : style.bad(`✗ ${end}`);
  return [head, ...details].join(style.dim(' · '));
}

function usageText(usage: unknown): string {
  const { totalTokens, inputTokens, outputTokens } = record(usage);
  if (typeof totalTokens !== 'number') return '';
  const parts = typeof inputTokens === 'number' && typeof outputTokens === 'number';
  return `${totalTokens} tokens${parts ? ` (${inputTokens} in, ${outputTokens} out)` : ''}`;
}
