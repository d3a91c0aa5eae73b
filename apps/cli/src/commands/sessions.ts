import type { Session } from '@holdfast/client';
import { oneLine } from '../render/printable.js';
import type { Style } from '../render/style.js';
import type { Desk } from '../terminal/session-screen.js';

export interface SessionsOptions {
  limit: number;
  archived?: boolean;
  json?: boolean;
}

/** Lists sessions, the newest first. */
export async function sessions(
  { client, terminal, style }: Desk,
  { limit, archived, json }: SessionsOptions,
): Promise<void> {
  const query = { limit, ...(archived && { archived: 'only' as const }) };
  const { data } = await client.sessions.querySessions({ SessionQuery: query });
  if (json) terminal.write(data.map((session) => `${JSON.stringify(session)}\n`).join(''));
  else if (data.length === 0) terminal.write(archived ? 'Nothing is archived.\n' : 'There are no sessions yet.\n');
  else terminal.write(sessionTable(data, style));
}

export function sessionTable(data: Pick<Session, 'session_id' | 'name' | 'created_at'>[], style: Style): string {
  const width = Math.max('SESSION'.length, ...data.map(({ session_id }) => session_id.length));
  const row = (session: string, created: string, name: string) =>
    `${session.padEnd(width)}  ${created.padEnd('2026-01-01 00:00 UTC'.length)}  ${name}`.trimEnd();
  return [
    style.dim(row('SESSION', 'CREATED', 'NAME')),
    ...data.map(({ session_id, name, created_at }) =>
      row(session_id, `${created_at.toISOString().slice(0, 16).replace('T', ' ')} UTC`, oneLine(name ?? '', 60)),
    ),
  ]
    .map((text) => `${text}\n`)
    .join('');
}
