import { randomUUID } from 'node:crypto';
import {
  recordOf,
  textOf,
  usageOf,
  type CliDialect,
  type CliLine,
  type CliListener,
  type CliUpdates,
} from './cli-output.js';

/**
 * `codex exec --json` (0.169): `thread.started`, then items that start, change and are completed, then `turn.completed` or
 * `turn.failed`. A command that codex refused by itself is not said at all; the model is told, and its answer shows it.
 */
export const codexDialect: CliDialect = {
  takesId: false,
  unknownSession: /no rollout found|is archived|canonical rollout filename/i,
  reader: readCodex,
};

function readCodex(listener: CliListener, updates: CliUpdates): (line: CliLine) => void {
  // Codex counts its items from 0 in every run.
  const run = randomUUID().slice(0, 8);

  return (line) => {
    switch (line.type) {
      case 'thread.started':
        return listener.session(textOf(line.thread_id));
      case 'item.started':
      case 'item.updated':
      case 'item.completed':
        return readItem(recordOf(line.item), line.type === 'item.completed');
      case 'turn.completed':
        return listener.end({ stopReason: 'end_turn', ...usage(recordOf(line.usage)) });
      case 'turn.failed':
        return listener.failure(textOf(recordOf(line.error).message));
    }
  };

  function readItem(item: CliLine, isOver: boolean): void {
    const id = `${run}:${textOf(item.id)}`;
    switch (item.type) {
      case 'agent_message':
        return isOver ? updates.text('agent_message_chunk', id, textOf(item.text)) : undefined;
      case 'reasoning':
        return isOver ? updates.text('agent_thought_chunk', id, textOf(item.text)) : undefined;
      case 'todo_list':
        return updates.plan(planOf(item.items));
      case 'error':
        return isOver ? listener.notice({ code: 'agent_warning', message: textOf(item.message) }) : undefined;
      default:
        return readTool(id, item, isOver);
    }
  }

  function readTool(id: string, item: CliLine, isOver: boolean): void {
    const call = toolOf(item);
    if (!call) return;
    updates.toolCall({ id, ...call });
    const failed = item.status === 'failed' || item.status === 'declined';
    if (isOver) updates.toolEnd(id, { failed, text: resultOf(item) });
    if (isOver && item.status === 'declined') {
      listener.notice({ code: 'permission_denied', message: `Codex was not allowed: ${call.title}` });
    }
  }
}

function toolOf(item: CliLine): { name: string; title: string; kind: string; input: unknown } | undefined {
  switch (item.type) {
    case 'command_execution': {
      const command = textOf(item.command);
      return { name: 'exec_command', title: command.slice(0, 200), kind: 'execute', input: { command } };
    }
    case 'file_change':
      return { name: 'apply_patch', title: 'Change files', kind: 'edit', input: { changes: item.changes } };
    case 'mcp_tool_call': {
      const title = `${textOf(item.server)}.${textOf(item.tool)}`;
      return { name: title, title, kind: 'other', input: item.arguments };
    }
    case 'web_search':
      return { name: 'web_search', title: textOf(item.query), kind: 'fetch', input: { query: item.query } };
    default:
      return undefined;
  }
}

function resultOf(item: CliLine): string {
  if (item.type === 'command_execution') return textOf(item.aggregated_output);
  if (item.type !== 'mcp_tool_call') return '';
  const content = recordOf(item.result).content;
  const texts = Array.isArray(content) ? content.map((part) => textOf(recordOf(part).text)) : [];
  return texts.join('\n') || textOf(recordOf(item.error).message);
}

function planOf(items: unknown): { content: string; status: string }[] {
  if (!Array.isArray(items)) return [];
  return items.map((item) => ({
    content: textOf(recordOf(item).text),
    status: recordOf(item).completed === true ? 'completed' : 'pending',
  }));
}

function usage(counts: CliLine) {
  const [inputTokens, outputTokens] = [counts.input_tokens, counts.output_tokens];
  const totalTokens = typeof inputTokens === 'number' && typeof outputTokens === 'number' && inputTokens + outputTokens;
  return usageOf({
    inputTokens,
    outputTokens,
    totalTokens,
    cachedReadTokens: counts.cached_input_tokens,
    thoughtTokens: counts.reasoning_output_tokens,
  });
}
