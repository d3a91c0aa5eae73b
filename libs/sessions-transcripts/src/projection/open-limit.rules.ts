/** How much may be open at once, of tool calls and of interactions each, before the oldest is closed as it is. */
export const MAX_OPEN_ITEMS = 256;
export const MAX_OPEN_BYTES = 8 * 1024 * 1024;

/** Takes the oldest items out until the rest is within the limits; the newest always stays. */
export function takeOverflow<Item extends { bytes: number }>(open: Item[]): Item[] {
  let bytes = open.reduce((sum, item) => sum + item.bytes, 0);
  let count = 0;
  while (open.length - count > 1 && (open.length - count > MAX_OPEN_ITEMS || bytes > MAX_OPEN_BYTES)) {
    bytes -= open[count]!.bytes;
    count += 1;
  }
  return open.splice(0, count);
}
