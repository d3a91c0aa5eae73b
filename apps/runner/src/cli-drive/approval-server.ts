/**
 * The tool that Claude Code asks before it does what needs a permission (`--permission-prompt-tool`): a server of the Model
 * Context Protocol on its standard streams, with one tool. Each question goes as one line of JSON to the runner's socket,
 * which this process is told as its argument, and the answer comes back as one. Without one the answer is no.
 *
 * It runs as a child of the agent, with nothing of the runner's, and imports nothing but Node.
 */
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';

interface Message {
  id?: string | number;
  method?: string;
  params?: { protocolVersion?: string; arguments?: { input?: unknown } & Record<string, unknown> };
}

const socketPath = process.argv[2] ?? '';
const nobodyAnswered = { behavior: 'deny', message: 'Nobody answered, so this is not allowed.' };
const tool = {
  name: 'ask',
  description: 'Asks a person whether a tool may be used.',
  inputSchema: { type: 'object', properties: {}, additionalProperties: true },
};

createInterface({ input: process.stdin }).on('line', (line) => {
  let message: Message;
  try {
    message = JSON.parse(line) as Message;
  } catch {
    return;
  }
  if (message.id !== undefined) void answer(message);
});

async function answer({ id, method, params }: Message): Promise<void> {
  if (method === 'initialize') {
    const protocolVersion = params?.protocolVersion ?? '2025-06-18';
    return send(id, { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'holdfast', version: '1' } });
  }
  if (method === 'ping') return send(id, {});
  if (method === 'tools/list') return send(id, { tools: [tool] });
  if (method === 'tools/call') {
    const verdict = await verdictOf(params?.arguments ?? {});
    return send(id, { content: [{ type: 'text', text: JSON.stringify(verdict) }] });
  }
  write({ jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } });
}

/** Claude Code takes `{behavior: 'allow', updatedInput}` and `{behavior: 'deny', message}`. */
async function verdictOf(asked: { input?: unknown } & Record<string, unknown>): Promise<object> {
  const reply = await exchange(JSON.stringify(asked));
  try {
    const verdict = JSON.parse(reply) as { behavior?: unknown; message?: unknown };
    if (verdict.behavior === 'allow') return { behavior: 'allow', updatedInput: asked.input ?? {} };
    if (verdict.behavior === 'deny' && typeof verdict.message === 'string') return verdict;
  } catch {
    // The runner closed the connection without an answer.
  }
  return nobodyAnswered;
}

/** One line there, one line back; what came until the connection closed. */
function exchange(line: string): Promise<string> {
  return new Promise((resolve) => {
    let reply = '';
    const socket = createConnection(socketPath, () => socket.write(`${line}\n`));
    socket.setEncoding('utf8').on('data', (text: string) => (reply += text));
    socket.on('error', () => undefined).on('close', () => resolve(reply));
  });
}

function send(id: Message['id'], result: object): void {
  write({ jsonrpc: '2.0', id, result });
}

function write(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
