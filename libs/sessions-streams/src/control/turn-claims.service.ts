import { Injectable, Logger } from '@nestjs/common';
import { isDomainError } from '@holdfast/platform-errors';
import { SessionFences, UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { controlLogPath, logUrlPath, SessionLogService } from '../log/session-log.service.js';
import { SavedConversations } from '../ports/saved-conversations.port.js';
import { TurnMilestones } from '../ports/turn-milestones.port.js';
import { ReplicaTaken, ReplicaUnknown } from '../sessions-streams.errors.js';
import { StreamsConfig } from '../streams.config.js';
import {
  RunnerReplicasRepository,
  type RunnerOffer,
  type RunnerPlaces,
  type RunnerReplica,
} from './runner-replicas.repository.js';
import { isOfSameProgram, resumedConversation, type ResumedConversation } from './resumption.rules.js';
import { transition } from './session-turn.rules.js';
import { SessionTurnsRepository, type TurnRow } from './session-turns.repository.js';
import { TurnLeasesRepository, type TurnClaimant } from './turn-leases.repository.js';
import { WaitingClaims } from './waiting-claims.js';

/** How soon a claim looks again when somebody was at work on a turn that it could have had. */
const BUSY_PAUSE_MS = 50;
/** How soon a claim of a replica looks again that had no room. */
const FULL_PAUSE_MS = 500;
/** A turn that is claimed waits for the others of its answer, so no more are looked for after this. */
const GATHER_MS = 100;
/** Some candidates are taken by others meanwhile, so a few more are looked at than are wanted. */
const SPARE_CANDIDATES = 10;

/** A turn that a runner now owns. */
export interface ClaimedTurn {
  /** Its prompt is followed by those that were merged into the attempts before this one. */
  turn: TurnRow;
  epoch: number;
  /** The session's conversation so far; null for one that is to begin. */
  resume_conversation: ResumedConversation | null;
  /** Its id, where it is of the very program that the turn runs. */
  resume_agent_session_id: string | null;
}

/** A claim of a replica, by its name if it has one. */
type NamedClaim = RunnerReplica & TurnClaimant;

/** What one look at the line came to. */
interface Gathered {
  claimed: ClaimedTurn[];
  /** Why there are not more, where it is not that the line was empty. */
  stopped?: 'full' | 'busy';
}

/** Runners pull: they register, then claim turns of their pools for as long as they have room. */
@Injectable()
export class TurnClaimsService {
  private readonly logger = new Logger(TurnClaimsService.name);
  /** Turns that some claim of this process is at work on: others look past them, instead of finding them locked. */
  private readonly inHand = new Set<string>();

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly turns: SessionTurnsRepository,
    private readonly leases: TurnLeasesRepository,
    private readonly replicas: RunnerReplicasRepository,
    private readonly log: SessionLogService,
    private readonly waiting: WaitingClaims,
    private readonly conversations: SavedConversations,
    private readonly milestones: TurnMilestones,
    private readonly config: StreamsConfig,
  ) {}

  /**
   * Makes a replica known, with the log that its commands arrive on. Again changes what it offers. Errors:
   * replica_taken.
   */
  async register(runner: RunnerReplica, offer: RunnerOffer): Promise<{ control_path: string }> {
    const { project_id, replica_id } = runner;
    await this.unitOfWork.run(async (tx) => {
      if (!(await this.replicas.register(tx, runner, offer))) throw ReplicaTaken({ replica_id });
      await this.log.createControlLog(tx, project_id, replica_id);
    });
    return { control_path: logUrlPath(controlLogPath(replica_id)) };
  }

  /** Whether the key may read the commands of the replica. */
  async isRegistered(runner: RunnerReplica): Promise<boolean> {
    return (await this.replicas.offer(runner)) !== undefined;
  }

  /** Forgets replicas that have been silent for long. Returns how many. */
  pruneReplicas(limit: number): Promise<number> {
    return this.unitOfWork.run((tx) => this.replicas.prune(tx, limit));
  }

  /**
   * Up to `capacity` turns, as soon as there is one, or none after `waitSeconds`; together with what the replica owns
   * never more than it registered for. Repeated under its `claim_id`, what it still owns by that. Nothing is claimed once
   * `signal` aborts. Errors: replica_unknown.
   */
  async claim(
    runner: RunnerReplica,
    capacity: number,
    waitSeconds: number,
    signal: AbortSignal,
    claim_id?: string,
  ): Promise<ClaimedTurn[]> {
    const offer = await this.replicas.offer(runner);
    if (!offer) throw ReplicaUnknown({ replica_id: runner.replica_id });

    const before = await this.claimedBefore(runner, claim_id);
    // Nobody hears a request that is aborted: what its repetition was granted is not this one's to give back.
    if (before.length) return signal.aborted ? [] : before;
    const claimed = await this.claimNew({ ...runner, claim_id }, offer, capacity, waitSeconds, signal);
    // The try before, whose caller has gone unnoticed, may have been faster.
    return claimed.length || signal.aborted ? claimed : this.claimedBefore(runner, claim_id);
  }

  private async claimedBefore(runner: RunnerReplica, claim_id: string | undefined): Promise<ClaimedTurn[]> {
    if (claim_id === undefined) return [];
    return this.unitOfWork.run(async (tx) => {
      const claimed: ClaimedTurn[] = [];
      for (const turn of await this.leases.ownedUnder(tx, runner, claim_id)) {
        claimed.push(await this.withHistory(tx, turn, turn.epoch!));
      }
      return claimed;
    });
  }

  private async claimNew(
    runner: NamedClaim,
    offer: RunnerPlaces,
    capacity: number,
    waitSeconds: number,
    signal: AbortSignal,
  ): Promise<ClaimedTurn[]> {
    const endsAt = performance.now() + waitSeconds * 1000;
    const place = await this.waiting.join(runner.project_id, offer, signal);
    try {
      for (;;) {
        const { claimed, stopped } = await this.gather(runner, offer, capacity, signal);
        if (stopped !== 'full') place.settle();
        const leftMs = endsAt - performance.now();
        if (claimed.length || leftMs <= 0 || signal.aborted) return claimed;
        if (stopped === 'full') await place.standAside(Math.min(leftMs, FULL_PAUSE_MS));
        else await place.next(stopped === 'busy' ? Math.min(leftMs, BUSY_PAUSE_MS) : leftMs);
      }
    } finally {
      await place.leave();
    }
  }

  /**
   * Claims a turn for the service that it is to be pushed to, in the caller's transaction. Its owner is the turn
   * itself: `{replica_id: turn_id, key_id: turn_id}`, with a log for its commands, also where a runner had registered
   * under that id. Waits for whoever is at work on its session. Undefined when it is not in line.
   */
  async claimForPush(tx: Transaction, candidate: SessionKey & { turn_id: string }): Promise<ClaimedTurn | undefined> {
    if ((await this.fences.lock(tx, candidate)) === undefined) return undefined;
    const queued = await this.turns.lockTurn(tx, candidate);
    if (!queued || queued.push_url === null || transition(queued.status, 'claim') !== 'starting') return undefined;
    const { project_id, turn_id } = queued;
    await this.replicas.seize(tx, { project_id, replica_id: turn_id, key_id: turn_id });
    await this.log.createControlLog(tx, project_id, turn_id);
    return this.own(tx, queued, { replica_id: turn_id });
  }

  private async gather(
    runner: NamedClaim,
    offer: RunnerPlaces,
    capacity: number,
    signal: AbortSignal,
  ): Promise<Gathered> {
    const gathered: Gathered = { claimed: [] };
    const { claimed } = gathered;
    const until = performance.now() + GATHER_MS;
    const candidates = capacity + SPARE_CANDIDATES + this.inHand.size;
    for (const candidate of await this.leases.queuedTurns(runner.project_id, offer, candidates)) {
      if (claimed.length === capacity || signal.aborted || (claimed.length && performance.now() > until)) break;
      if (this.inHand.has(candidate.turn_id)) continue;
      this.inHand.add(candidate.turn_id);
      try {
        const turn = await this.claimOne(candidate, runner);
        if (turn === 'full') return { claimed, stopped: 'full' };
        if (turn === 'busy') gathered.stopped = 'busy';
        else if (turn) claimed.push(turn);
      } catch (error) {
        if (isDomainError(error, 'replica_unknown')) throw error;
        // One turn that cannot be claimed must not hold up those behind it.
        this.logger.error({ event: 'claim.failed', session_id: candidate.session_id, err: error });
      } finally {
        this.inHand.delete(candidate.turn_id);
      }
    }
    return gathered;
  }

  private claimOne(
    candidate: SessionKey & { turn_id: string },
    runner: NamedClaim,
  ): Promise<ClaimedTurn | 'full' | 'busy' | undefined> {
    return this.unitOfWork.run(async (tx) => {
      if ((await this.fences.tryLock(tx, candidate)) === undefined) return 'busy';
      const capacity = await this.replicas.lockCapacity(tx, runner);
      if (capacity === undefined) throw ReplicaUnknown({ replica_id: runner.replica_id });
      if ((await this.leases.leasesHeld(tx, runner.project_id, runner.replica_id)) >= capacity) return 'full';

      const queued = await this.turns.lockTurn(tx, candidate);
      if (!queued || transition(queued.status, 'claim') !== 'starting') return undefined;
      return this.own(tx, queued, runner);
    });
  }

  /** Gives a turn in line its owner, under a new epoch. */
  private async own(tx: Transaction, queued: TurnRow, claimant: TurnClaimant): Promise<ClaimedTurn> {
    const { replica_id } = claimant;
    const epoch = await this.fences.advance(tx, queued);
    const turn = await this.leases.claimTurn(tx, { ...queued, epoch }, claimant, this.config.leaseSeconds);
    this.log.appendWithin(
      tx,
      turn,
      { type: 'turn.starting', turn_id: turn.turn_id, data: { attempt: turn.attempt, epoch, replica_id } },
      { writer: { epoch, turn_id: turn.turn_id } },
    );
    await this.milestones.reached(tx, turn, 'owned');
    return this.withHistory(tx, turn, epoch);
  }

  private async withHistory(tx: Transaction, turn: TurnRow, epoch: number): Promise<ClaimedTurn> {
    const resumed = await this.resumedBy(tx, turn);
    return {
      turn: { ...turn, prompt: await this.wholePrompt(tx, turn) },
      epoch,
      resume_conversation: resumed,
      resume_agent_session_id: resumed && isOfSameProgram(turn, resumed) ? resumed.native_id : null,
    };
  }

  private async resumedBy(tx: Transaction, turn: TurnRow): Promise<ResumedConversation | null> {
    const saved = await this.conversations.newest(tx, turn);
    return resumedConversation(turn, saved, await this.turns.turnBefore(tx, turn));
  }

  /** An attempt that starts over is told as well what the ones before it were told while they ran. */
  private async wholePrompt(tx: Transaction, turn: TurnRow): Promise<string> {
    if (turn.attempt === 1) return turn.prompt;
    return [turn.prompt, ...(await this.turns.mergedPrompts(tx, turn))].join('\n\n');
  }
}
