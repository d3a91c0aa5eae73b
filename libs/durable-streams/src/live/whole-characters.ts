import type { LogHead } from '../log-head.js';
import { pageBytes, type LogPage } from '../read/log-reader.js';
import { sseEncodingOf } from './sse-frame.js';

/**
 * What of a page can be shown as text: a character of UTF-8 whose last bytes were not written yet is left for later,
 * and `next` lies before it. At the end of a closed log nothing is left.
 */
export function wholeCharacters(head: LogHead, page: LogPage): LogPage {
  if (sseEncodingOf(head) !== 'text' || (head.closed && page.upToDate)) return page;
  const bytes = pageBytes(page);
  const cut = unfinishedBytes(bytes);
  if (cut === 0) return page;
  const parts = cut < bytes.length ? [bytes.subarray(0, -cut)] : [];
  return { ...page, parts, next: page.next - cut };
}

/** How many bytes at the end begin a character that is longer (RFC 3629, section 3). */
function unfinishedBytes(bytes: Buffer): number {
  for (let count = 1; count <= Math.min(3, bytes.length); count++) {
    const byte = bytes[bytes.length - count]!;
    if ((byte & 0xc0) === 0x80) continue;
    return lengthOfCharacter(byte) > count ? count : 0;
  }
  return 0;
}

function lengthOfCharacter(first: number): number {
  if (first >= 0xf0 && first <= 0xf4) return 4;
  if (first >= 0xe0 && first < 0xf0) return 3;
  return first >= 0xc2 && first < 0xe0 ? 2 : 1;
}
