import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TurnFailure } from './turn-failure.js';

const sessionIdForm = /^[A-Za-z0-9_-]{1,128}$/;

/** The folders that agents work in, one per session. */
export class SessionFolders {
  constructor(private readonly runnerFolder: string) {}

  /** The session's folder, made when it is not there; only this user may look into it. */
  async open(sessionId: string): Promise<string> {
    // The id becomes a path.
    if (!sessionIdForm.test(sessionId))
      throw new TurnFailure('agent_start_failed', 'The session id cannot name a folder.');
    const folder = join(this.runnerFolder, 'sessions', sessionId);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }
}
