import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Signals } from '@holdfast/platform-signals';
import { TurnLeasesRepository, type LineOffer } from './turn-leases.repository.js';
import { labelsOfSignal, queueChannel } from './turn-queue.channel.js';

/** How often the line is looked at in any case, since a signal is only a hint. */
const LOOK_EVERY_MS = 2_000;
/** Most turns that one look offers. */
const LOOK_LIMIT = 100;
/** Most signals of a pool that are kept for claims that are busy. What is beyond, the next look finds. */
const MAX_UNANSWERED = 1_000;

/** What the line of a pool has, and which claims of this process wait there, the longest first. */
interface Pool {
  project_id: string;
  pool: string;
  claims: WaitingClaim[];
  /** The labels of turns that nobody was free to look for. */
  unanswered: string[][];
  unsubscribe: Promise<() => Promise<void>>;
}

/** A claim that waits for a turn. It is told of one at a time, and of no other until it waits again. */
export class WaitingClaim {
  /** Set while it waits. */
  wake: (() => void) | undefined;
  /** What it was told of and did not look for yet. */
  offered: { pool: Pool; labels: string[] } | undefined;

  constructor(
    readonly labels: string[],
    readonly pools: Pool[],
    private readonly desk: WaitingClaims,
    private readonly abort: AbortSignal,
  ) {}

  /** Resolves when there may be a turn for it, when its caller has left, or after `milliseconds`. */
  async next(milliseconds: number): Promise<void> {
    this.offered = this.desk.takeUnanswered(this);
    if (this.offered) return;
    for (const { claims } of this.pools) claims.push(...claims.splice(claims.indexOf(this), 1));
    await this.pause(milliseconds, (wake) => (this.wake = wake));
    this.wake = undefined;
  }

  /** As `next`, but what it was told of is somebody else's to look for, and it is told of nothing. */
  async standAside(milliseconds: number): Promise<void> {
    this.passOn();
    await this.pause(milliseconds, () => undefined);
  }

  /** It looked for what it was told of. */
  settle(): void {
    this.offered = undefined;
  }

  async leave(): Promise<void> {
    this.passOn();
    await this.desk.leave(this);
  }

  private passOn(): void {
    const offered = this.offered;
    this.offered = undefined;
    if (offered) this.desk.offer(offered.pool, offered.labels, this);
  }

  private pause(milliseconds: number, onWake: (wake: () => void) => void): Promise<void> {
    return new Promise<void>((resolve) => {
      if (this.abort.aborted) return resolve();
      const end = () => {
        clearTimeout(timer);
        this.abort.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      this.abort.addEventListener('abort', end);
      onWake(end);
    });
  }
}

/**
 * The claims that wait in this process. A turn that goes in line wakes one of those that may take it, so that any
 * number of idle runners costs the database no more than one does.
 */
@Injectable()
export class WaitingClaims implements OnApplicationShutdown {
  private readonly logger = new Logger(WaitingClaims.name);
  private readonly pools = new Map<string, Pool>();
  private readonly stopGaps: () => void;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly signals: Signals,
    private readonly leases: TurnLeasesRepository,
  ) {
    this.stopGaps = signals.onGap(() => void this.look());
  }

  /** Live once it resolves: look at the line after that, so that nothing falls between the look and the wait. */
  async join(
    project_id: string,
    { pools, labels }: { pools: string[]; labels: string[] },
    abort: AbortSignal,
  ): Promise<WaitingClaim> {
    const joined = [...new Set(pools)].map((pool) => this.poolOf(project_id, pool));
    const claim = new WaitingClaim(labels, joined, this, abort);
    for (const { claims } of joined) claims.push(claim);
    this.timer ??= setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
    await Promise.all(joined.map(({ unsubscribe }) => unsubscribe));
    return claim;
  }

  async leave(claim: WaitingClaim): Promise<void> {
    const empty = claim.pools.filter((pool) => {
      pool.claims.splice(pool.claims.indexOf(claim), 1);
      return pool.claims.length === 0;
    });
    for (const { project_id, pool } of empty) this.pools.delete(queueChannel(project_id, pool));
    if (this.pools.size === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
    }
    await Promise.all(empty.map(async ({ unsubscribe }) => (await unsubscribe)()));
  }

  /** Tells one claim that waits of a turn. While all that may take it are busy, the first to be free is told. */
  offer(pool: Pool, labels: string[], except?: WaitingClaim): void {
    const fit = pool.claims.filter((claim) => claim !== except && includes(claim.labels, labels));
    const free = fit.find(({ wake }) => wake);
    if (free) {
      free.offered = { pool, labels };
      free.wake!();
      free.wake = undefined;
    } else if (fit.length && pool.unanswered.length < MAX_UNANSWERED) {
      pool.unanswered.push(labels);
    }
  }

  takeUnanswered(claim: WaitingClaim): WaitingClaim['offered'] {
    for (const pool of claim.pools) {
      const index = pool.unanswered.findIndex((labels) => includes(claim.labels, labels));
      if (index >= 0) return { pool, labels: pool.unanswered.splice(index, 1)[0]! };
    }
    return undefined;
  }

  onApplicationShutdown(): void {
    this.stopGaps();
    clearInterval(this.timer);
  }

  private poolOf(project_id: string, pool: string): Pool {
    const channel = queueChannel(project_id, pool);
    const present = this.pools.get(channel);
    if (present) return present;
    const made: Pool = {
      project_id,
      pool,
      claims: [],
      unanswered: [],
      unsubscribe: this.signals.subscribe(channel, (payload) => this.offer(made, labelsOfSignal(payload))),
    };
    this.pools.set(channel, made);
    return made;
  }

  /** What the claims that wait may take, each once: turns that none of them may take must hide no others. */
  private freeOffers(): LineOffer[] {
    const offers = [...this.pools.values()].flatMap(({ project_id, pool, claims }) =>
      claims.filter(({ wake }) => wake).map(({ labels }) => ({ project_id, pool, labels: [...labels].sort() })),
    );
    return [...new Map(offers.map((offer) => [JSON.stringify(offer), offer])).values()];
  }

  /** Offers what is in line, as far as anybody is free for it: what no signal told of is found here. */
  private async look(): Promise<void> {
    try {
      for (const { project_id, pool, labels } of await this.leases.queuedDemands(this.freeOffers(), LOOK_LIMIT)) {
        const line = this.pools.get(queueChannel(project_id, pool));
        if (line?.claims.some((claim) => claim.wake && includes(claim.labels, labels))) this.offer(line, labels);
      }
    } catch (error) {
      this.logger.warn({ event: 'claims.look_failed', err: error });
    }
  }
}

const includes = (labels: string[], wanted: string[]) => wanted.every((label) => labels.includes(label));
