import type { KeyPrincipal } from './principal.js';

/** A key as it is stored, in the shape that authentication needs. */
export interface StoredKey {
  hash: Buffer;
  expires_at: Date | null;
  principal: KeyPrincipal;
}

type Lookup = Promise<StoredKey | undefined>;

/**
 * Keys by prefix, for a short while, so that hot routes need no query. Callers that miss at the same moment share one
 * lookup. Unknown keys are not remembered: anybody can make those up.
 */
export class ApiKeyCache {
  private readonly entries = new Map<string, { lookup: Lookup; until: number }>();

  constructor(
    private readonly ttlMs: number,
    private readonly capacity: number,
  ) {}

  get(prefix: string, load: () => Lookup): Lookup {
    const now = performance.now();
    const known = this.entries.get(prefix);
    if (known && known.until > now) return known.lookup;

    const lookup = load();
    const entry = { lookup, until: now + this.ttlMs };
    const forget = () => {
      if (this.entries.get(prefix) === entry) this.entries.delete(prefix);
    };
    this.entries.delete(prefix);
    this.entries.set(prefix, entry);
    this.evictOldest();
    lookup.then((key) => key ?? forget(), forget);
    return lookup;
  }

  delete(prefix: string): void {
    this.entries.delete(prefix);
  }

  private evictOldest(): void {
    if (this.entries.size <= this.capacity) return;
    for (const oldest of this.entries.keys()) {
      this.entries.delete(oldest);
      return;
    }
  }
}
