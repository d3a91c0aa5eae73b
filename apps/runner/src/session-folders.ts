import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { endLeftAgents, type Workplace } from './agent-process.js';
import { TurnFailure } from './turn-failure.js';

const sessionIdForm = /^[A-Za-z0-9_-]{1,128}$/;

/** Somebody is looked for in those that it leaves out, which costs a look at every process of the machine. */
const maxDeserted = 10_000;

/** The folders that agents work in: one per session, or one for all that is somebody else's too. */
export class SessionFolders {
  /** Nobody works in these: this process saw the last one leave. */
  private readonly deserted = new Set<string>();

  constructor(
    private readonly runnerFolder: string,
    /** Where all of them work; null for a folder of each session's own. Nothing in it is made, moved or removed. */
    private readonly workFolder: string | null = null,
  ) {}

  /**
   * Where the session's agent works, with no earlier one left. The session's own folder is made when it is not there;
   * only this user may look into it. Throws session_folder_in_use when an agent of an earlier turn cannot be ended, and
   * agent_start_failed.
   */
  async open(sessionId: string): Promise<Workplace> {
    // The id becomes a path.
    if (!sessionIdForm.test(sessionId))
      throw new TurnFailure('agent_start_failed', 'The session id cannot name a folder.');
    const folder = this.folderOf(sessionId);
    const isNew = (await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined;
    if (!this.deserted.delete(folder) && !isNew) await endLeft(folder);
    if (this.workFolder !== null) await checkFolder(this.workFolder);
    return { cwd: this.workFolder ?? folder, mark: folder };
  }

  /** A turn of the session is over, and left nobody behind. */
  leave(sessionId: string): void {
    this.deserted.add(this.folderOf(sessionId));
    const [oldest] = this.deserted;
    if (this.deserted.size > maxDeserted && oldest !== undefined) this.deserted.delete(oldest);
  }

  /** For conversations of the session's agents on their way between a program's own store and ours; need not exist. */
  exchangeOf(sessionId: string): string {
    return join(this.runnerFolder, 'exchange', sessionId);
  }

  private folderOf(sessionId: string): string {
    return join(this.runnerFolder, 'sessions', sessionId);
  }
}

async function endLeft(mark: string): Promise<void> {
  const left = await endLeftAgents(mark);
  if (left === 0) return;
  throw new TurnFailure(
    'session_folder_in_use',
    `${left} processes of an earlier agent of the session still work and could not be ended. End them on the runner's machine, and start the turn again.`,
  );
}

async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory()) return;
  throw new TurnFailure('agent_start_failed', `The folder that the agent is to work in is not there: ${folder}.`);
}
