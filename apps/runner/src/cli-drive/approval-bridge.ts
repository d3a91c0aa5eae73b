import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { AgentClient, PermissionRequest } from '../driven-agent.js';
import { kindOf, textOf, titleOf } from './cli-output.js';

/** A week: longer than a turn may take. Claude Code gives up a question after it, which is a no. */
const maxWaitMs = 7 * 24 * 3_600_000;
const maxQuestionBytes = 16 * 1024 * 1024;
/** Other than that of the turn's tools. */
const serverName = 'holdfast_approvals';
const options = [
  { optionId: 'allow', name: 'Allow', kind: 'allow_once' },
  { optionId: 'deny', name: 'Deny', kind: 'reject_once' },
];

/** A question of Claude Code, as its permission prompt tool is asked it. */
export interface CliQuestion {
  toolCallId: string;
  name: string;
  input: unknown;
}

/**
 * Puts the questions of one run of Claude Code to people: approval-server.ts, which Claude Code starts, brings them over a
 * socket in a folder that only this user may enter. A question whose connection breaks is withdrawn; one that is not
 * answered is a no.
 */
export class ApprovalBridge {
  private constructor(
    private readonly folder: string,
    private readonly server: Server,
    private readonly sockets: Set<Socket>,
    private readonly serverPath: string,
  ) {}

  /** `serverPath` is of approval-server.js; `onQuestion` is told before the question is put to anybody. */
  static async open(
    serverPath: string,
    client: AgentClient,
    onQuestion: (question: CliQuestion) => void,
  ): Promise<ApprovalBridge> {
    // Not in the session's folder: the path of a socket has at most some 100 bytes.
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-ask-'));
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      void serve(socket, client, onQuestion).catch(() => socket.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(join(folder, 'socket'), resolve);
    });
    return new ApprovalBridge(folder, server, sockets, serverPath);
  }

  /** The server that Claude Code asks, by its name. */
  get servers(): Record<string, object> {
    const args = [this.serverPath, join(this.folder, 'socket')];
    return { [serverName]: { type: 'stdio', command: process.execPath, args } };
  }

  /** What Claude Code is started with besides. */
  get args(): string[] {
    return [
      '--permission-prompt-tool',
      `mcp__${serverName}__ask`,
      // It would take the permission to ask for an empty answer.
      '--disallowedTools',
      'AskUserQuestion',
    ];
  }

  get environment(): Record<string, string> {
    return { MCP_TOOL_TIMEOUT: `${maxWaitMs}` };
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function serve(socket: Socket, client: AgentClient, onQuestion: (question: CliQuestion) => void): Promise<void> {
  const withdrawn = new AbortController();
  socket.once('close', () => withdrawn.abort());
  const question = await questionOf(socket);
  if (!question) return void socket.end();

  onQuestion(question);
  const { outcome, onDelivered } = await client.onPermission(requestOf(question), withdrawn.signal);
  const isAllowed = outcome.outcome === 'selected' && outcome.optionId === 'allow';
  const message =
    outcome.outcome === 'selected' ? 'This was denied.' : 'The question was withdrawn, so this is denied.';
  const verdict = isAllowed ? { behavior: 'allow' } : { behavior: 'deny', message };
  if (socket.destroyed) return;
  socket.end(`${JSON.stringify(verdict)}\n`, onDelivered);
}

/** Undefined where the connection breaks first. The socket is read on, so that its end is seen. */
async function questionOf(socket: Socket): Promise<CliQuestion | undefined> {
  const line = await new Promise<string | undefined>((resolve) => {
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxQuestionBytes) socket.destroy();
    });
    const lines = createInterface({ input: socket }).once('line', resolve);
    // readline raises its input's errors a second time.
    lines.on('error', () => undefined);
    socket.once('close', () => resolve(undefined));
  });
  if (line === undefined) return undefined;
  const { tool_use_id, tool_name, input } = JSON.parse(line) as Record<string, unknown>;
  return { toolCallId: textOf(tool_use_id), name: textOf(tool_name), input };
}

function requestOf({ toolCallId, name, input }: CliQuestion): PermissionRequest {
  const toolCall = { toolCallId, title: titleOf(name, input), kind: kindOf(name), status: 'pending', rawInput: input };
  return { toolCall, options };
}
