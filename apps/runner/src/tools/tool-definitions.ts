import type { Tool } from '@modelcontextprotocol/sdk/types.js';
import { defaultWaitSeconds, maxAgents, maxRecipients, maxWaitSeconds } from './tool-arguments.js';

/** Claude Code would let its model search for them first. */
const _meta = { 'anthropic/alwaysLoad': true };

/** What an agent is told of the tools. Every word of it is sent to its model with every turn. */
export const AGENT_TOOLS: readonly Tool[] = [
  {
    name: 'run_agents',
    title: 'Start agents',
    description:
      'Starts agents that work on prompts of their own beside you, and returns at once. What they send you, and the news ' +
      'that one has ended, comes by wait_for_messages. They know nothing of your conversation: say all in the prompt.',
    inputSchema: {
      type: 'object',
      required: ['agents'],
      properties: {
        agents: {
          type: 'array',
          minItems: 1,
          maxItems: maxAgents,
          items: {
            type: 'object',
            required: ['name', 'prompt'],
            properties: {
              name: { type: 'string', description: "What you and the others call it; not 'parent' or 'orchestrator'." },
              prompt: { type: 'string', description: 'All that it needs to know.' },
              mode: {
                type: 'string',
                enum: ['local', 'remote'],
                description: "'remote' (the default): on any machine of its pool. 'local': on the machine you run on.",
              },
              agent: { type: 'string', description: 'Another configured agent than your own kind.' },
              title: { type: 'string', description: 'What it does, in a few words, for people.' },
            },
          },
        },
      },
    },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    _meta,
  },
  {
    name: 'send_message',
    title: 'Send a message',
    description:
      'Sends a message to agents of your tree: those you started, the one that started you, and their others.',
    inputSchema: {
      type: 'object',
      required: ['to', 'body'],
      properties: {
        to: {
          type: 'array',
          minItems: 1,
          maxItems: maxRecipients,
          items: { type: 'string' },
          description: "Task ids, names, 'parent' (who started you) or 'orchestrator' (the first of the tree).",
        },
        subject: { type: 'string' },
        body: { type: 'string' },
      },
    },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
    _meta,
  },
  {
    name: 'wait_for_messages',
    title: 'Wait for messages',
    description:
      'Waits until there are messages for you and returns them, the oldest first, each once; or returns none when the ' +
      'time is over. That an agent you started has ended comes as a message too.',
    inputSchema: {
      type: 'object',
      properties: {
        timeout_seconds: {
          type: 'number',
          minimum: 0,
          maximum: maxWaitSeconds,
          description: `How long to wait (${defaultWaitSeconds}).`,
        },
      },
    },
    annotations: { readOnlyHint: true, openWorldHint: false },
    _meta,
  },
];
