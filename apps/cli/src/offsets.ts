const GENERATION = /^\d+_/;

/** The cursor, if it still is a place in the log that ends at `tail`; the session may have been made anew since. */
export function placeIn(tail: string, cursor: string | undefined): string | undefined {
  if (cursor === undefined || cursor > tail) return undefined;
  return GENERATION.exec(cursor)?.[0] === GENERATION.exec(tail)?.[0] ? cursor : undefined;
}
