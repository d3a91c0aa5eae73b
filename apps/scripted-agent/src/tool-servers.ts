import type { McpServer } from '@agentclientprotocol/sdk/unstable';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';

/** As long as an agent waits for one call at most. */
const maxCallMs = 15 * 60_000;

/** The servers of the Model Context Protocol that a session was given; each is started when it is first needed. */
export class ToolServers {
  private readonly clients = new Map<McpServer, Promise<Client>>();

  constructor(private readonly servers: readonly McpServer[]) {}

  /** What the tool answers, as text. Throws what it answers as an error, and where no server has it. */
  async call(tool: string, input: Record<string, unknown>, signal: AbortSignal): Promise<string> {
    for (const server of this.servers) {
      const client = await this.connect(server);
      const { tools } = await client.listTools(undefined, { signal });
      if (!tools.some(({ name }) => name === tool)) continue;
      const options = { signal, timeout: maxCallMs, onprogress: () => undefined, resetTimeoutOnProgress: true };
      const { content, isError } = await client.callTool({ name: tool, arguments: input }, undefined, options);
      const text = (content as { text?: string }[]).map((part) => part.text ?? '').join('\n');
      if (isError) throw new Error(text);
      return text;
    }
    throw new Error(`None of the session's ${this.servers.length} MCP servers has a tool ${tool}.`);
  }

  /** A server that is gone is started anew with the next call. */
  private connect(server: McpServer): Promise<Client> {
    const known = this.clients.get(server);
    if (known) return known;
    const client = start(server, () => this.clients.delete(server));
    client.catch(() => this.clients.delete(server));
    this.clients.set(server, client);
    return client;
  }
}

async function start(server: McpServer, onGone: () => void): Promise<Client> {
  if (!('command' in server)) throw new Error(`The MCP server ${server.name} is not on stdio.`);
  // Only now: most turns have no use for them.
  const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
  const { StdioClientTransport } = await import('@modelcontextprotocol/sdk/client/stdio.js');
  const env = Object.fromEntries(server.env.map(({ name, value }) => [name, value]));
  const client = new Client({ name: 'holdfast-scripted-agent', version: '1' });
  client.onclose = onGone;
  await client.connect(new StdioClientTransport({ command: server.command, args: server.args, env, stderr: 'ignore' }));
  return client;
}
