import type { SessionKey } from '@holdfast/platform-postgres';
import { eventually } from '@holdfast/testing';
import type { RunnerReplica } from '../src/control/runner-replicas.repository.js';
import type { TurnBeat } from '../src/control/turn-leases.repository.js';
import type { ClaimedTurn } from '../src/index.js';
import type { Streams } from './streams-fixture.js';

export const unlimited = new AbortController().signal;

/** Until mocks are restored, a claim gathers all that it may have, however slow the machine is. */
export function stopTheClock(): void {
  jest.spyOn(performance, 'now').mockReturnValue(performance.now());
}

/** A beat of a turn that was claimed. */
export const beatOf = ({ turn, epoch }: ClaimedTurn, status: TurnBeat['status'] = 'running'): TurnBeat => ({
  session_id: turn.session_id,
  turn_id: turn.turn_id,
  epoch,
  status,
});

export const fenceOf = ({ turn, epoch }: ClaimedTurn) => ({
  project_id: turn.project_id,
  session_id: turn.session_id,
  turn_id: turn.turn_id,
  epoch,
});

/** What the tests of leases do again and again. */
export const leaseScenario = (streams: Streams) => ({
  /** A turn that a replica of its own has claimed. */
  async claimed(
    session: SessionKey,
    target?: Parameters<Streams['startTurn']>[3],
  ): Promise<ClaimedTurn & { runner: RunnerReplica }> {
    await streams.startTurn(session, 'hello', 'scripted', target);
    return this.claimAgain(session, await streams.registerReplica(session.project_id));
  },

  async claimAgain(session: SessionKey, runner: RunnerReplica): Promise<ClaimedTurn & { runner: RunnerReplica }> {
    const claimed = await streams.claims.claim(runner, 100, 5, unlimited);
    return { runner, ...claimed.find(({ turn }) => turn.session_id === session.session_id)! };
  },

  async isCurrent(runner: RunnerReplica, beat: TurnBeat): Promise<boolean> {
    const [outcome] = await streams.beats.beat(runner, [beat]);
    return outcome!.is_current;
  },

  types: async (session: SessionKey) => (await streams.events(session)).map(({ type }) => type),

  /** The turn as it is now. */
  turn: async ({ turn }: ClaimedTurn) => (await streams.repository.turn(turn.project_id, turn.turn_id))!,

  /** The row of who owns the session, to be compared as a whole. */
  owner: (session: SessionKey) =>
    streams.unitOfWork.queryOne(`SELECT * FROM session_streams WHERE project_id = $1 AND session_id = $2`, [
      session.project_id,
      session.session_id,
    ]),

  /** How long the session's lease lasts from now on, in seconds of the database's clock. */
  async leaseLeft({ project_id, session_id }: SessionKey): Promise<number> {
    const row = await streams.unitOfWork.queryOne<{ left: number }>(
      `SELECT extract(epoch FROM lease_until - now())::float8 AS left FROM session_streams
        WHERE project_id = $1 AND session_id = $2`,
      [project_id, session_id],
    );
    return row!.left;
  },

  async expireLease({ project_id, session_id }: SessionKey): Promise<void> {
    await streams.unitOfWork.query(
      `UPDATE session_streams SET lease_until = now() - interval '1 second' WHERE project_id = $1 AND session_id = $2`,
      [project_id, session_id],
    );
  },

  /** One sweep of one session, as the flow does it. */
  takeOverdue: (session: SessionKey) =>
    streams.unitOfWork.run(async (tx) => {
      const taken = await streams.takeover.takeOverdue(tx, session);
      if (taken?.end) await streams.turns.end(tx, taken.turn, taken.end);
      return taken;
    }),

  /** Resolves once somebody waits for a lock that another transaction of this database holds. */
  untilBlocked: () =>
    eventually(async () => {
      const row = await streams.unitOfWork.queryOne<{ waiting: number }>(
        `SELECT count(*) AS waiting FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      if (!row!.waiting) throw new Error('nobody waits for a lock');
    }),

  /** Runs `first` in a transaction that commits only when `second` waits for it, and gives what `second` came to. */
  async whileHolding<T>(
    first: (tx: Parameters<Parameters<Streams['unitOfWork']['run']>[0]>[0]) => Promise<unknown>,
    second: () => Promise<T>,
  ): Promise<T> {
    let started: Promise<T> | undefined;
    await streams.unitOfWork.run(async (tx) => {
      await first(tx);
      started = second();
      // Its failure is for whoever awaits what is returned.
      started.catch(() => undefined);
      await this.untilBlocked();
    });
    return started!;
  },
});

export type LeaseScenario = ReturnType<typeof leaseScenario>;
