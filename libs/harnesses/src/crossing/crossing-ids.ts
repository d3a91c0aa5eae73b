import { createHash } from 'node:crypto';

/** Names that depend on nothing but what they are for, so that a conversion that is made again is the same. */
export function crossingIds(native_id: string) {
  const hash = (what: string) => createHash('sha256').update(`${native_id}\n${what}`).digest('hex');
  return {
    /** Shaped like a random UUID (RFC 9562, version 4). */
    uuid(what: string): string {
      const hex = hash(what);
      const variant = '89ab'[Number.parseInt(hex[16]!, 16) % 4];
      return [
        hex.slice(0, 8),
        hex.slice(8, 12),
        `4${hex.slice(13, 16)}`,
        variant + hex.slice(17, 20),
        hex.slice(20, 32),
      ].join('-');
    },
    /** 24 hexadecimal digits. */
    short: (what: string) => hash(what).slice(0, 24),
  };
}
