import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { IdempotencyKeys, Outbox } from '@holdfast/platform-postgres';
import { PeriodicTask } from '@holdfast/platform-queue';
import { ProjectLaggingLogsFlow, SweepOverdueTurnsFlow } from '@holdfast/sessions';
import { ParticipantsSweeper, SharesService, SharingRetention } from '@holdfast/sessions-sharing';
import { TurnClaimsService } from '@holdfast/sessions-streams';
import { NativeSweeper } from '@holdfast/sessions-transcripts';
import { TriggerDeliveriesService } from '@holdfast/sessions-triggers';

const PRUNE_BATCH = 1000;
const SHARES_BATCH = 100;

/** For how many days what nobody needs any more is kept. */
export abstract class RetentionConfig {
  abstract readonly deliveryDays: number;
}

/** What recurs in every worker. Each is safe in any number of them, so no leader is needed. */
@Injectable()
export class RecurringTasks implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly tasks: PeriodicTask[];

  constructor(
    projectLogs: ProjectLaggingLogsFlow,
    sweepTurns: SweepOverdueTurnsFlow,
    outbox: Outbox,
    idempotencyKeys: IdempotencyKeys,
    claims: TurnClaimsService,
    nativeTranscripts: NativeSweeper,
    deliveries: TriggerDeliveriesService,
    participants: ParticipantsSweeper,
    shares: SharesService,
    sharing: SharingRetention,
    { deliveryDays }: RetentionConfig,
  ) {
    this.tasks = [
      new PeriodicTask('project-lagging-logs', 500, (stopping) => projectLogs.run(stopping)),
      new PeriodicTask('sweep-overdue-turns', 1_000, () => sweepTurns.run()),
      new PeriodicTask('end-overdue-shares', 1_000, async (stopping) => {
        while (!stopping.aborted && (await shares.endOverdue(SHARES_BATCH)) === SHARES_BATCH);
      }),
      new PeriodicTask('sweep-participants', 1_000, (stopping) => participants.run(stopping)),
      pruning('prune-participants', (limit) => participants.prune(limit)),
      pruning('prune-sharing', (limit) => sharing.prune(limit)),
      pruning('prune-outbox', (limit) => outbox.prune(limit)),
      pruning('prune-idempotency-keys', (limit) => idempotencyKeys.prune(limit)),
      pruning('prune-runner-replicas', (limit) => claims.pruneReplicas(limit)),
      new PeriodicTask('sweep-native-transcripts', 60_000, async (stopping) => {
        await nativeTranscripts.run(stopping);
      }),
      pruning('prune-trigger-deliveries', (limit) => deliveries.prune(deliveryDays, limit)),
    ];
  }

  onApplicationBootstrap(): void {
    for (const task of this.tasks) task.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.tasks.map((task) => task.stop()));
  }
}

/** Deletes what is no longer needed, in batches until little is left. */
function pruning(name: string, prune: (limit: number) => Promise<number>): PeriodicTask {
  return new PeriodicTask(name, 60_000, async (stopping) => {
    while (!stopping.aborted && (await prune(PRUNE_BATCH)) === PRUNE_BATCH);
  });
}
