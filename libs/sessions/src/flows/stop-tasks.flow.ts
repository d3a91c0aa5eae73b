import { Injectable } from '@nestjs/common';
import type { Principal } from '@holdfast/platform-auth';
import { isDomainError } from '@holdfast/platform-errors';
import { SessionFences, UnitOfWork } from '@holdfast/platform-postgres';
import {
  TasksRepository,
  TasksService,
  TaskStates,
  type StoppingTask,
  type TaskStop,
} from '@holdfast/sessions-sharing';
import { SessionTurnsService } from '@holdfast/sessions-streams';
import { InvokeSessionFlow } from './invoke-session.flow.js';
import { KillSessionFlow } from './kill-session.flow.js';

/** How long a request is kept until everything has stopped, and how often it looks. */
const ANSWER_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 100;

/** Most tasks of one depth that are stopped before the next look at what is to stop. */
const BATCH = 500;

/** How long one job is at work before it makes room for others. */
const AT_WORK_MS = 5_000;

/** How far a subtree has stopped. */
export interface StoppedTasks {
  ended: number;
  remaining: number;
}

/**
 * Stops trees of tasks, the deepest first. What is to stop is said of all of them in one commit, from which on nothing is
 * made below; what then stops them is a job, which starts again wherever it was left, and after each end that it waits for.
 */
@Injectable()
export class StopTasksFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly tasks: TasksService,
    private readonly repository: TasksRepository,
    private readonly states: TaskStates,
    private readonly turns: SessionTurnsService,
    private readonly invoke: InvokeSessionFlow,
    private readonly kill: KillSessionFlow,
  ) {}

  /** Answers when all have stopped, after 10 s, or when `signal` aborts; what remains goes on. Errors: task_not_found. */
  async request(principal: Principal, task_id: string, how: TaskStop, signal: AbortSignal): Promise<StoppedTasks> {
    const { top, marked } = await this.tasks.stop(principal, task_id, how);
    const until = performance.now() + ANSWER_WITHIN_MS;
    for (;;) {
      const remaining = await this.tasks.remaining(top);
      if (remaining === 0 || performance.now() >= until || signal.aborted) {
        return { ended: Math.max(0, marked - remaining), remaining };
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /**
   * Stops what is deepest in a tree, level by level, until it has to wait for turns to end: their ends come back here.
   * True when there may be more to do at once.
   */
  async run(project_id: string, root_task_id: string): Promise<boolean> {
    const until = performance.now() + AT_WORK_MS;
    const told: string[] = [];
    for (;;) {
      const due = await this.repository.deepestStopping(project_id, root_task_id, told, BATCH);
      if (due.length === 0) return false;
      for (const task of due) {
        if (performance.now() >= until) return true;
        await this.stop(task);
        told.push(task.task_id);
      }
    }
  }

  private async stop(task: StoppingTask): Promise<void> {
    const { project_id, session_id } = task;
    if (session_id !== null) await this.stopSession(task, session_id);
    await this.unitOfWork.run(async (tx) => {
      const session = session_id === null ? undefined : { project_id, session_id };
      if (session) await this.fences.lock(tx, session);
      if (!session || !(await this.turns.liveTurn(tx, session))) await this.states.stopped(tx, task);
    });
  }

  /** By whoever asked for it, as if for this one session. */
  private async stopSession({ project_id, stopping, stopping_by_id }: StoppingTask, session_id: string): Promise<void> {
    const principal: Principal = { project_id, key_id: stopping_by_id!, kind: 'user', permissions: [] };
    try {
      if (stopping === 'kill') await this.kill.run(principal, session_id);
      else await this.invoke.run(principal, { session_id }, undefined);
    } catch (error) {
      // There is nothing to stop.
      if (!isDomainError(error, 'no_live_turn') && !isDomainError(error, 'session_not_found')) throw error;
    }
  }
}
