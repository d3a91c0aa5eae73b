import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import pg from 'pg';

/** What to do with a connection before it counts as live. */
export type PrepareClient = (client: pg.Client) => Promise<void>;

const ANSWER_WITHIN_MS = 5_000;
const PROBE_EVERY_MS = 15_000;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 2_000;
const CLOSE_WITHIN_MS = 1_000;

/** One connection outside every pool, replaced whenever it is lost. */
export class PostgresLink {
  private readonly logger = new Logger('Signals');
  private readonly closing = new AbortController();
  private readonly probe: NodeJS.Timeout;
  private running: Promise<void> = Promise.resolve();
  private live: pg.Client | undefined;
  private leave: (reason?: Error) => void = () => undefined;
  private isAway = false;

  private constructor(
    private readonly url: string,
    private readonly name: string,
    private readonly prepare: PrepareClient,
    private readonly onLive: () => void,
  ) {
    // A connection whose other end vanished reports nothing for many minutes.
    this.probe = setInterval(() => this.live?.query('SELECT 1').catch(this.leave), PROBE_EVERY_MS);
  }

  /** Resolves after the first attempt, whether it succeeded or not. */
  static async open(url: string, name: string, prepare: PrepareClient, onLive: () => void): Promise<PostgresLink> {
    const link = new PostgresLink(url, name, prepare, onLive);
    await new Promise<void>((tried) => (link.running = link.keepConnected(tried)));
    return link;
  }

  get isLive(): boolean {
    return this.live !== undefined;
  }

  async query(text: string, values: unknown[]): Promise<void> {
    if (!this.live) throw new Error('the connection is lost');
    await this.live.query(text, values);
  }

  async close(): Promise<void> {
    clearInterval(this.probe);
    this.closing.abort();
    this.leave();
    await this.running;
  }

  private async keepConnected(tried: () => void): Promise<void> {
    let pause = FIRST_RETRY_MS;
    while (!this.closing.signal.aborted) {
      const client = this.createClient();
      const lost = this.lossOf(client);
      try {
        await client.connect();
        await this.prepare(client);
        this.becomeLive(client);
        tried();
        pause = FIRST_RETRY_MS;
        this.reportLoss(await lost);
      } catch (error) {
        this.reportLoss(error as Error);
      }
      this.live = undefined;
      tried();
      await endOrDestroy(client);
      await sleep(pause * (0.75 + Math.random() / 2), undefined, { signal: this.closing.signal }).catch(
        () => undefined,
      );
      pause = Math.min(pause * 2, LONGEST_RETRY_MS);
    }
  }

  private createClient(): pg.Client {
    return new pg.Client({
      connectionString: this.url,
      application_name: this.name,
      connectionTimeoutMillis: ANSWER_WITHIN_MS,
      query_timeout: ANSWER_WITHIN_MS,
    });
  }

  /** Resolves with the reason when the connection is lost, without one when the link is closed. */
  private lossOf(client: pg.Client): Promise<Error | undefined> {
    return new Promise((resolve) => {
      this.leave = resolve;
      // Stays for good: a killed backend makes pg report the error twice.
      client.on('error', resolve);
      client.on('end', () => resolve(new Error('the server closed the connection')));
    });
  }

  private becomeLive(client: pg.Client): void {
    if (this.isAway) this.logger.log({ event: 'signals.back', connection: this.name });
    this.isAway = false;
    this.live = client;
    this.onLive();
  }

  private reportLoss(reason: Error | undefined): void {
    if (!reason || this.isAway) return;
    this.isAway = true;
    this.logger.warn({ event: 'signals.lost', connection: this.name, reason: reason.message });
  }
}

/** `end` waits for the other side, which may be gone. */
async function endOrDestroy(client: pg.Client): Promise<void> {
  const waited = new AbortController();
  const deadline = sleep(CLOSE_WITHIN_MS, undefined, { signal: waited.signal }).catch(() => undefined);
  await Promise.race([client.end().catch(() => undefined), deadline]);
  waited.abort();
  client.connection.stream.destroy();
}
