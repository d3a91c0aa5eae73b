import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { ToolsServer } from '../src/tools/tools-socket.js';

/** What a tool answered. */
export interface Answer {
  isError: boolean;
  text: string;
  told: Record<string, unknown>;
}

/** An agent's own MCP client, with the server started as the agent is told to start it. */
export class ToolsClient {
  readonly progress: number[] = [];

  private constructor(
    private readonly client: Client,
    readonly closed: Promise<void>,
  ) {}

  static async start({ command, args, env }: ToolsServer): Promise<ToolsClient> {
    const variables = Object.fromEntries(env.map(({ name, value }) => [name, value]));
    const transport = new StdioClientTransport({ command, args, env: variables, stderr: 'ignore' });
    const client = new Client({ name: 'test', version: '1' });
    const closed = new Promise<void>((resolve) => (client.onclose = resolve));
    await client.connect(transport);
    return new ToolsClient(client, closed);
  }

  async names(): Promise<string[]> {
    return (await this.client.listTools()).tools.map(({ name }) => name);
  }

  async call(name: string, input: Record<string, unknown> = {}, signal?: AbortSignal): Promise<Answer> {
    const options = {
      signal,
      timeout: 60_000,
      resetTimeoutOnProgress: true,
      onprogress: ({ progress }: { progress: number }) => void this.progress.push(progress),
    };
    const answer = await this.client.callTool({ name, arguments: input }, undefined, options);
    const text = (answer.content as { text: string }[]).map((part) => part.text).join('\n');
    return { isError: answer.isError === true, text, told: answer.structuredContent as Record<string, unknown> };
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}
