import { Injectable } from '@nestjs/common';
import { isDomainError } from '@holdfast/platform-errors';
import { SessionFences, UnitOfWork, type TurnFence } from '@holdfast/platform-postgres';
import { SessionLogService } from '../log/session-log.service.js';
import { ReplicaUnknown } from '../sessions-streams.errors.js';
import { StreamsConfig } from '../streams.config.js';
import { RunnerReplicasRepository, type RunnerReplica } from './runner-replicas.repository.js';
import { transition } from './session-turn.rules.js';
import { SessionTurnsRepository } from './session-turns.repository.js';
import { SessionTurnsService } from './session-turns.service.js';

/** What a runner says of one of its turns. */
export interface TurnBeat {
  session_id: string;
  turn_id: string;
  epoch: number;
  status: 'starting' | 'running';
  agent_session_id?: string | null;
}

/** One attempt of one turn. */
const attemptOf = ({ turn_id, epoch }: { turn_id: string; epoch: number }) => `${turn_id} ${epoch}`;

/** Renews the leases of all of a replica's turns in one request. Fences are never touched by a beat that changes nothing. */
@Injectable()
export class TurnBeatsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly turns: SessionTurnsRepository,
    private readonly replicas: RunnerReplicasRepository,
    private readonly service: SessionTurnsService,
    private readonly log: SessionLogService,
    private readonly config: StreamsConfig,
  ) {}

  /** For each beat, whether the replica still owns the turn under that epoch. Errors: replica_unknown. */
  async beat(
    runner: RunnerReplica,
    beats: TurnBeat[],
  ): Promise<{ turn_id: string; epoch: number; is_current: boolean }[]> {
    const { project_id, replica_id } = runner;
    const renewed = await this.unitOfWork.run(async (tx) => {
      if (!(await this.replicas.touch(tx, runner))) throw ReplicaUnknown({ replica_id });
      return beats.length ? this.turns.renewLeases(tx, project_id, replica_id, beats, this.config.leaseSeconds) : [];
    });
    const current = new Set(renewed.map(attemptOf));
    for (const beat of beats) {
      if (beat.status !== 'running' || !current.has(attemptOf(beat))) continue;
      const isMine = await this.markRunning({ project_id, ...beat }, beat.agent_session_id ?? null);
      if (!isMine) current.delete(attemptOf(beat));
    }
    return beats.map((beat) => ({
      turn_id: beat.turn_id,
      epoch: beat.epoch,
      is_current: current.has(attemptOf(beat)),
    }));
  }

  /** False when the turn went to somebody else meanwhile. */
  private async markRunning(fence: TurnFence, agent_session_id: string | null): Promise<boolean> {
    const known = await this.turns.turn(fence.project_id, fence.turn_id);
    if (known?.status !== 'starting') return true;
    try {
      await this.unitOfWork.run(async (tx) => {
        await this.fences.hold(tx, fence);
        const turn = await this.service.requireLive(tx, fence);
        if (turn.status === 'running' || transition(turn.status, 'run') !== 'running') return;
        await this.turns.markRunning(tx, fence, agent_session_id);
        this.log.appendWithin(tx, fence, { type: 'turn.running', turn_id: fence.turn_id, data: { agent_session_id } });
      });
      return true;
    } catch (error) {
      if (isDomainError(error, 'stale_epoch') || isDomainError(error, 'turn_not_live')) return false;
      throw error;
    }
  }
}
