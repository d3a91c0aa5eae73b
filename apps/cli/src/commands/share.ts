import type { SessionShare } from '@holdfast/client';
import { Sharer } from '@holdfast/client';
import { oneLine } from '../render/printable.js';
import type { Style } from '../render/style.js';
import type { Desk } from '../terminal/session-screen.js';

export interface ShareOptions {
  tree?: boolean;
  role: 'reader' | 'executor' | 'full';
  /** Seconds, or when. */
  expires?: { expires_in_seconds: number } | { expires_at: Date };
  name?: string;
  list?: boolean;
  revoke?: string;
  json?: boolean;
}

/** Shares a session and prints the link; or lists its shares, or ends one. */
export async function share(
  { client, terminal, style }: Desk,
  session_id: string,
  options: ShareOptions,
): Promise<void> {
  const print = (text: string, value: unknown) => terminal.write(options.json ? `${JSON.stringify(value)}\n` : text);
  if (options.revoke !== undefined) {
    const ended = await client.shares.revokeSessionShare({ SessionShareRevoke: { share_id: options.revoke } });
    return print(`share ${ended.share_id} has ended; nothing is open through it any more\n`, ended);
  }
  const sharer = new Sharer({ client, session_id });
  if (options.list) {
    const shares: SessionShare[] = [];
    for await (const one of sharer.list()) shares.push(one);
    if (options.json) return shares.forEach((one) => terminal.write(`${JSON.stringify(one)}\n`));
    return terminal.write(shares.length > 0 ? shareTable(shares, style) : 'Nobody may look in.\n');
  }
  const { tree, role, expires, name } = options;
  const made = await sharer.share({ scope: tree ? 'tree' : 'session', role, name, ...expires });
  print(`${made.link}\n`, made);
}

export function shareTable(shares: SessionShare[], style: Style): string {
  const row = (id: string, scope: string, role: string, until: string, name: string) =>
    `${id.padEnd(36)}  ${scope.padEnd(7)}  ${role.padEnd(8)}  ${until.padEnd(20)}  ${name}`.trimEnd();
  return [
    style.dim(row('SHARE', 'SCOPE', 'ROLE', 'UNTIL', 'NAME')),
    ...shares.map(({ share_id, scope, role, expires_at, name, origin }) =>
      row(
        share_id,
        scope,
        role,
        untilText(expires_at),
        oneLine(name ?? (origin === 'automatic' ? '(automatic)' : ''), 60),
      ),
    ),
  ]
    .map((text) => `${text}\n`)
    .join('');
}

const untilText = (at: Date | null) =>
  at ? `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC` : 'it is revoked';
