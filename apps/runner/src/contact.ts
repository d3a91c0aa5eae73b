import type { Logger } from 'pino';

/** Says once when the api is lost, and once when it is back: an api that restarts is nothing to fill a log with. */
export class Contact {
  private lostAt: number | undefined;

  constructor(
    private readonly url: string,
    private readonly log: Logger,
  ) {}

  held(): void {
    if (this.lostAt === undefined) return;
    this.log.info(
      { url: this.url, lost_ms: Math.round(performance.now() - this.lostAt) },
      'contact with the api is back',
    );
    this.lostAt = undefined;
  }

  lost(reason: string): void {
    if (this.lostAt !== undefined) return;
    this.lostAt = performance.now();
    this.log.warn({ url: this.url, reason }, 'contact with the api is lost; trying until it is back');
  }
}
