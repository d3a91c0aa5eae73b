import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Remembers, for each session of each api, the offset after the last event that this machine has shown. */
export class CursorStore {
  private readonly folder: string;

  constructor(
    stateFolder: string,
    private readonly url: string,
  ) {
    this.folder = join(stateFolder, 'cursors');
  }

  async read(session_id: string): Promise<string | undefined> {
    try {
      const { offset } = JSON.parse(await readFile(this.file(session_id), 'utf8')) as { offset?: unknown };
      return typeof offset === 'string' ? offset : undefined;
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Never leaves half a file, whenever the process is killed. */
  async write(session_id: string, offset: string): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const file = this.file(session_id);
    const unfinished = `${file}.${process.pid}`;
    await writeFile(unfinished, JSON.stringify({ url: this.url, session_id, offset }));
    await rename(unfinished, file);
  }

  /** A cursor that moves with what is shown. */
  follow(session_id: string): Cursor {
    return new Cursor((offset) => this.write(session_id, offset));
  }

  private file(session_id: string): string {
    const key = createHash('sha256').update(`${this.url}\n${session_id}`).digest('hex').slice(0, 32);
    return join(this.folder, `${key}.json`);
  }
}

/** Writes where it is without holding up what moves it: while one write is on its way, only the newest place waits. */
export class Cursor {
  private wanted: string | undefined;
  private writing: Promise<void> | undefined;

  constructor(private readonly write: (offset: string) => Promise<void>) {}

  moveTo(offset: string): void {
    this.wanted = offset;
    this.writing ??= this.writeOn();
    // Told by settled().
    this.writing.catch(() => undefined);
  }

  /** Resolves when the last place is written; rejects when it could not be. */
  async settled(): Promise<void> {
    await this.writing;
  }

  private async writeOn(): Promise<void> {
    while (this.wanted !== undefined) {
      const offset = this.wanted;
      this.wanted = undefined;
      await this.write(offset);
    }
    this.writing = undefined;
  }
}
