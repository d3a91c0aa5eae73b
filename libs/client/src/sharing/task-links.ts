import type { HoldfastClient } from '../holdfast-client.js';
import { retryCommand } from '../retry.js';

/** A session that works on a task, where both are known, and whether it is this client that runs it. */
export interface TaskLink {
  task_id: string | null;
  session_id: string | null;
  /** `viewer`: it is only looked at here. `placeholder`: it runs elsewhere, and whoever runs it says so. */
  as?: 'runner' | 'viewer' | 'placeholder';
}

/** Tells the api which session works on a task: one message for each that is new, one at a time for each task. */
export class TaskLinks {
  private readonly told = new Map<string, { session_id: string; done: Promise<void> }>();

  constructor(private readonly client: HoldfastClient) {}

  /** Resolves when the api knows. Errors: task_not_found, task_ended; then the same is sent when it is told again. */
  link({ task_id, session_id, as = 'runner' }: TaskLink): Promise<void> {
    if (as !== 'runner' || task_id === null || session_id === null) return Promise.resolve();
    const last = this.told.get(task_id);
    if (last?.session_id === session_id) return last.done;
    const done = this.tell(task_id, session_id, last?.done);
    const link = { session_id, done };
    this.told.set(task_id, link);
    done.catch(() => {
      if (this.told.get(task_id) === link) this.told.delete(task_id);
    });
    return done;
  }

  private async tell(task_id: string, session_id: string, before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => undefined);
    await retryCommand({}, () => this.client.tasks.editSessionTask({ task_id, SessionTaskEdit: { session_id } }));
  }
}
