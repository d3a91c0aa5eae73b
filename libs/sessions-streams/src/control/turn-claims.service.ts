import { Injectable } from '@nestjs/common';
import { Signals } from '@holdfast/platform-signals';
import { SessionFences, UnitOfWork, type SessionKey } from '@holdfast/platform-postgres';
import { controlLogPath, logUrlPath, SessionLogService } from '../log/session-log.service.js';
import { ReplicaTaken, ReplicaUnknown } from '../sessions-streams.errors.js';
import { openBell } from '../signal-bell.js';
import { StreamsConfig } from '../streams.config.js';
import { RunnerReplicasRepository, type RunnerReplica } from './runner-replicas.repository.js';
import { transition } from './session-turn.rules.js';
import { SessionTurnsRepository, type TurnRow } from './session-turns.repository.js';
import { queueChannel } from './turn-queue.channel.js';

/** How often a waiting claim looks in any case, since a signal is only a hint. */
const RECHECK_MS = 2_000;

/** A turn that a runner now owns. */
export interface ClaimedTurn {
  turn: TurnRow;
  epoch: number;
  /** The agent's own id of the conversation so far; null for the first turn. */
  resume_agent_session_id: string | null;
}

/** Runners pull: they register, then claim turns of their pools for as long as they have room. */
@Injectable()
export class TurnClaimsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly turns: SessionTurnsRepository,
    private readonly replicas: RunnerReplicasRepository,
    private readonly log: SessionLogService,
    private readonly signals: Signals,
    private readonly config: StreamsConfig,
  ) {}

  /** Makes a replica known, with the log that its commands arrive on. Again changes its pools. Errors: replica_taken. */
  async register(runner: RunnerReplica, pools: string[]): Promise<{ control_path: string }> {
    const { project_id, replica_id } = runner;
    await this.unitOfWork.run(async (tx) => {
      if (!(await this.replicas.register(tx, runner, pools))) throw ReplicaTaken({ replica_id });
      await this.log.createControlLog(tx, project_id, replica_id);
    });
    return { control_path: logUrlPath(controlLogPath(replica_id)) };
  }

  /** Whether the key may read the commands of the replica. */
  async isRegistered(runner: RunnerReplica): Promise<boolean> {
    return (await this.replicas.pools(runner)) !== undefined;
  }

  /** Forgets replicas that have been silent for long. Returns how many. */
  pruneReplicas(limit: number): Promise<number> {
    return this.unitOfWork.run((tx) => this.replicas.prune(tx, limit));
  }

  /**
   * Up to `capacity` turns, as soon as there is one, or none after `waitSeconds`. Nothing is claimed once `signal`
   * aborts. Errors: replica_unknown.
   */
  async claim(
    runner: RunnerReplica,
    capacity: number,
    waitSeconds: number,
    signal: AbortSignal,
  ): Promise<ClaimedTurn[]> {
    const { project_id, replica_id } = runner;
    const pools = await this.replicas.pools(runner);
    if (!pools) throw ReplicaUnknown({ replica_id });

    const endsAt = Date.now() + waitSeconds * 1000;
    const bell = await openBell(
      this.signals,
      pools.map((pool) => queueChannel(project_id, pool)),
      signal,
    );
    try {
      for (;;) {
        const claimed = await this.claimQueued(project_id, replica_id, pools, capacity, signal);
        const waitMs = Math.min(RECHECK_MS, endsAt - Date.now());
        if (claimed.length || waitMs <= 0 || signal.aborted) return claimed;
        await bell.next(waitMs);
      }
    } finally {
      await bell.close();
    }
  }

  private async claimQueued(
    project_id: string,
    replica_id: string,
    pools: string[],
    capacity: number,
    signal: AbortSignal,
  ): Promise<ClaimedTurn[]> {
    const claimed: ClaimedTurn[] = [];
    // Some candidates may be taken by others meanwhile, so look at a few more than are wanted.
    for (const candidate of await this.turns.queuedTurns(project_id, pools, capacity + 10)) {
      if (claimed.length === capacity || signal.aborted) break;
      try {
        const turn = await this.claimOne(candidate, replica_id);
        if (turn) claimed.push(turn);
      } catch (error) {
        // The turns that are claimed already must reach their runner.
        if (claimed.length === 0) throw error;
        break;
      }
    }
    return claimed;
  }

  private async claimOne(
    candidate: SessionKey & { turn_id: string },
    replica_id: string,
  ): Promise<ClaimedTurn | undefined> {
    return this.unitOfWork.run(async (tx) => {
      if ((await this.fences.tryLock(tx, candidate)) === undefined) return undefined;
      const queued = await this.turns.lockTurn(tx, candidate);
      if (!queued || transition(queued.status, 'claim') !== 'starting') return undefined;

      const epoch = await this.fences.advance(tx, candidate);
      const turn = await this.turns.claimTurn(tx, { ...candidate, epoch }, replica_id, this.config.leaseSeconds);
      this.log.appendWithin(
        tx,
        turn,
        { type: 'turn.starting', turn_id: turn.turn_id, data: { attempt: turn.attempt, epoch, replica_id } },
        { writer: { epoch, turn_id: turn.turn_id } },
      );
      return { turn, epoch, resume_agent_session_id: await this.turns.lastAgentSession(tx, turn) };
    });
  }
}
