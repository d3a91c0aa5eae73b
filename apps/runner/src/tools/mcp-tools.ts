import type { Socket } from 'node:net';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { SocketTransport } from './socket-transport.js';
import { AGENT_TOOLS } from './tool-definitions.js';
import type { TurnTools } from './turn-tools.js';

/** By which agents that search their tools find these. */
const instructions =
  'Work with other agents: start them (run_agents), write to them (send_message), hear from them (wait_for_messages).';

/** Speaks the Model Context Protocol on one connection of the turn's agent, until that closes. */
export async function serveMcp(socket: Socket, tools: TurnTools): Promise<void> {
  const transport = new SocketTransport(socket);
  const server = new Server({ name: 'holdfast', version: '1' }, { capabilities: { tools: {} }, instructions });
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [...AGENT_TOOLS] }));
  server.setRequestHandler(
    CallToolRequestSchema,
    async ({ params }, { requestId, signal, _meta, sendNotification }) => {
      const progressToken = _meta?.progressToken;
      const onProgress = (progress: number) => {
        if (progressToken === undefined) return;
        const told = { progressToken, progress, message: 'waiting' };
        void sendNotification({ method: 'notifications/progress', params: told }).catch(() => undefined);
      };
      const { name, arguments: input = {} } = params;
      const { result, delivery } = await tools.call({ name, input, signal, onProgress });
      if (delivery) transport.expect(requestId, delivery);
      return result;
    },
  );
  await server.connect(transport);
}
