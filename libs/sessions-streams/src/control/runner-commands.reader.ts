import { Injectable } from '@nestjs/common';
import { LogReader, pageBytes, StreamNotFound } from '@holdfast/durable-streams';
import { isDomainError } from '@holdfast/platform-errors';
import { controlLogPath } from '../log/session-log.service.js';

/** Most commands of one answer; the rest comes with the next, or by the log itself. */
const MAX_COMMANDS = 100;

/** Reads a replica's commands for one whose connection to its control log may be broken. */
@Injectable()
export class RunnerCommandsReader {
  constructor(private readonly reader: LogReader) {}

  /** What the control log has after the offset. One that the log does not know counts as its start: commands may come twice. */
  async after(project_id: string, replica_id: string, offset: string): Promise<object[]> {
    const key = { project_id, path: controlLogPath(replica_id) };
    try {
      const { head, position } = await this.reader.locate(key, offset).catch((error: unknown) => {
        if (isDomainError(error, StreamNotFound.code)) throw error;
        return this.reader.locate(key, '-1');
      });
      if (position >= head.tail) return [];
      const page = await this.reader.page(head, position);
      return (JSON.parse(`[${pageBytes(page).toString()}]`) as object[]).slice(0, MAX_COMMANDS);
    } catch (error) {
      if (isDomainError(error, StreamNotFound.code)) return [];
      throw error;
    }
  }
}
