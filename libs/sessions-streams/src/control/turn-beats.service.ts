import { Injectable, Logger } from '@nestjs/common';
import { isDomainError } from '@holdfast/platform-errors';
import { SessionFences, UnitOfWork, type TurnFence } from '@holdfast/platform-postgres';
import { SessionLogService } from '../log/session-log.service.js';
import { TurnMilestones } from '../ports/turn-milestones.port.js';
import { ReplicaUnknown } from '../sessions-streams.errors.js';
import { StreamsConfig } from '../streams.config.js';
import type { RunnerReplica } from './runner-replicas.repository.js';
import { transition } from './session-turn.rules.js';
import { SessionTurnsService } from './session-turns.service.js';
import { TurnLeasesRepository, type TurnBeat } from './turn-leases.repository.js';

/** What came of a beat. */
export interface TurnBeatOutcome {
  /** Whether the replica owns the turn still, under the epoch of the beat; its lease is renewed then. */
  is_current: boolean;
  /** Whether its runner is to be given a new credential. */
  credential_due: boolean;
  /** Why what the beat said of the turn was not taken down. The lease is renewed all the same. */
  error?: { code: 'beat_not_recorded'; message: string };
}

/** Renews the leases of all of a replica's turns in one statement. A beat that says nothing new touches no fence. */
@Injectable()
export class TurnBeatsService {
  private readonly logger = new Logger(TurnBeatsService.name);

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly leases: TurnLeasesRepository,
    private readonly service: SessionTurnsService,
    private readonly log: SessionLogService,
    private readonly milestones: TurnMilestones,
    private readonly config: StreamsConfig,
  ) {}

  /**
   * What came of each beat, in their order. `controlOffset` is how far the replica has processed its commands. Errors:
   * replica_unknown.
   */
  async beat(runner: RunnerReplica, beats: TurnBeat[], controlOffset?: string): Promise<TurnBeatOutcome[]> {
    const renewed = await this.leases.renewLeases(runner, beats, controlOffset, this.config.leaseSeconds);
    if (!renewed) throw ReplicaUnknown({ replica_id: runner.replica_id });

    const outcomes = beats.map((): TurnBeatOutcome => ({ is_current: false, credential_due: false }));
    for (const place of renewed.owned) outcomes[place]!.is_current = true;
    for (const place of renewed.credential_due) outcomes[place]!.credential_due = true;
    for (const place of renewed.changed) {
      Object.assign(outcomes[place]!, await this.takeDown({ project_id: runner.project_id, ...beats[place]! }));
    }
    return outcomes;
  }

  /** Writes what the beat says of its turn. One that fails must not spoil the others. */
  private async takeDown(beat: TurnFence & TurnBeat): Promise<Partial<TurnBeatOutcome>> {
    try {
      await this.unitOfWork.run(async (tx) => {
        await this.fences.hold(tx, beat);
        const turn = await this.service.requireLive(tx, beat);
        const { agent_session_id } = beat;
        if (beat.status === 'running' && turn.status !== 'running' && transition(turn.status, 'run') === 'running') {
          await this.leases.markRunning(tx, beat, agent_session_id);
          this.log.appendWithin(tx, beat, {
            type: 'turn.running',
            turn_id: beat.turn_id,
            data: { agent_session_id: agent_session_id ?? null, drive: turn.drive, approvals: turn.approvals },
          });
          await this.milestones.reached(tx, { ...turn, status: 'running' }, 'running');
        } else if (agent_session_id !== undefined) {
          await this.leases.noteAgentSession(tx, beat, agent_session_id);
        }
      });
      return {};
    } catch (error) {
      if (isDomainError(error, 'stale_epoch') || isDomainError(error, 'turn_not_live')) return { is_current: false };
      this.logger.error({ event: 'beat.failed', turn_id: beat.turn_id, err: error });
      return { error: NOT_TAKEN_DOWN };
    }
  }
}

const NOT_TAKEN_DOWN: TurnBeatOutcome['error'] = {
  code: 'beat_not_recorded',
  message: 'The lease is renewed, but what the beat says of the turn could not be written. Say it again with the next.',
};
