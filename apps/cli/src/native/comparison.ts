import type { NativeChange } from '@holdfast/harnesses';

/** A machine's copy of a conversation beside a stored version of it. */
export interface Comparison {
  /** What the copy has that the version has not, or has otherwise: a save takes them. */
  news: NativeChange[];
  /** The version has what the copy has not. */
  lacks: boolean;
  /** The past of a file is another one. */
  isDiverged: boolean;
}

export function comparisonOf(changes: NativeChange[], mainName: string): Comparison {
  const isMainBehind = changes.some(({ kind, name }) => kind === 'behind' && name === mainName);
  return {
    // Of a file that is replaced as a whole only the lines beside it tell which one is newer.
    news: changes.filter(({ kind }) => kind !== 'behind' && (kind !== 'replace' || !isMainBehind)),
    lacks: changes.some(({ kind }) => kind === 'behind'),
    isDiverged: changes.some(({ kind }) => kind === 'diverged'),
  };
}

/** How many lines of the conversation itself the copy has in common with the version. */
export function commonLines(changes: NativeChange[], mainName: string): number {
  const main = changes.find(({ name }) => name === mainName);
  if (main?.kind === 'diverged') return main.keep_lines;
  return main?.kind === 'behind' ? main.lines : Infinity;
}
