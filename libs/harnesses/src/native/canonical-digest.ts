import { createHash, type Hash } from 'node:crypto';
import { withoutReturn } from './native-lines.js';

type Canonical = (content: Buffer) => Buffer;

const NEWLINE = Buffer.from('\n');

/**
 * The cumulative canonical digest of a file (sha256, hex): over its lines, each without "\r", with placeholders for what
 * depends on the place, and with "\n". So a copy that was relocated has the digest of its original.
 */
export class CanonicalDigest {
  private constructor(
    private readonly hash: Hash,
    private readonly canonical: Canonical,
  ) {}

  static start(canonical: Canonical): CanonicalDigest {
    return new CanonicalDigest(createHash('sha256'), canonical);
  }

  addLine(line: Buffer): void {
    this.hash.update(this.canonical(withoutReturn(line))).update(NEWLINE);
  }

  copy(): CanonicalDigest {
    return new CanonicalDigest(this.hash.copy(), this.canonical);
  }

  hex(): string {
    return this.hash.copy().digest('hex');
  }
}
