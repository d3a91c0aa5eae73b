import {
  recordOf,
  textOf,
  usageOf,
  type CliDialect,
  type CliLine,
  type CliListener,
  type CliUpdates,
} from './cli-output.js';

/** `claude -p --output-format stream-json --verbose` (2.1): `system` (init), then messages, then `result`. */
export const claudeDialect: CliDialect = {
  takesId: true,
  unknownSession: /No conversation found with session ID/i,
  reader: readClaude,
};

function readClaude(listener: CliListener, updates: CliUpdates): (line: CliLine) => void {
  const denied = new Set<string>();

  return (line) => {
    switch (line.type) {
      case 'system':
        if (line.subtype === 'init') listener.session(textOf(line.session_id));
        if (line.subtype === 'permission_denied') deny(line);
        return;
      case 'assistant':
        return blocksOf(line).forEach((block) => readAssistant(block, line));
      case 'user':
        return blocksOf(line).forEach(readResult);
      case 'result':
        return readEnd(line);
    }
  };

  function readAssistant(block: CliLine, line: CliLine): void {
    const messageId = textOf(line.uuid);
    // What a subagent says is no part of this conversation; what it does is.
    const isSubagent = typeof line.parent_tool_use_id === 'string';
    if (block.type === 'text' && !isSubagent) updates.text('agent_message_chunk', messageId, textOf(block.text));
    if (block.type === 'thinking' && !isSubagent) {
      updates.text('agent_thought_chunk', messageId, textOf(block.thinking));
    }
    if (block.type !== 'tool_use') return;
    const name = textOf(block.name);
    if (name === 'TodoWrite') updates.plan(todosOf(recordOf(block.input).todos));
    updates.toolCall({ id: textOf(block.id), name, input: block.input });
  }

  function readResult(block: CliLine): void {
    if (block.type !== 'tool_result') return;
    updates.toolEnd(textOf(block.tool_use_id), { failed: block.is_error === true, text: contentText(block.content) });
  }

  function deny({ tool_use_id, tool_name, message }: CliLine): void {
    const id = textOf(tool_use_id);
    if (denied.has(id)) return;
    denied.add(id);
    const why = textOf(message);
    listener.notice({
      code: 'permission_denied',
      message: `Claude Code was not allowed to use ${textOf(tool_name)}${why === '' ? '.' : `: ${why}`}`,
    });
  }

  function readEnd(line: CliLine): void {
    const denials = Array.isArray(line.permission_denials) ? line.permission_denials : [];
    denials.map(recordOf).forEach(deny);
    const { subtype, is_error } = line;
    const usage = usageOfResult(recordOf(line.usage));
    if (subtype === 'error_max_turns') return listener.end({ stopReason: 'max_turn_requests', ...usage });
    if (is_error === true || subtype !== 'success') return listener.failure(errorOf(line));
    const known = ['max_tokens', 'refusal'].find((reason) => reason === line.stop_reason);
    listener.end({ stopReason: known ?? 'end_turn', ...usage });
  }
}

function blocksOf(line: CliLine): CliLine[] {
  const { content } = recordOf(line.message);
  return Array.isArray(content) ? content.map(recordOf) : [];
}

function contentText(content: unknown): string {
  if (!Array.isArray(content)) return textOf(content);
  return content.map((part) => textOf(recordOf(part).text)).join('');
}

function todosOf(todos: unknown): { content: string; status: string }[] {
  if (!Array.isArray(todos)) return [];
  return todos.map((todo) => {
    const { content, status } = recordOf(todo);
    return { content: textOf(content), status: textOf(status) || 'pending' };
  });
}

function errorOf(line: CliLine): string {
  const errors = Array.isArray(line.errors) ? line.errors.filter((error) => typeof error === 'string') : [];
  return textOf(line.result) || errors.join('; ') || textOf(line.subtype);
}

function usageOfResult(counts: CliLine) {
  const [inputTokens, outputTokens] = [counts.input_tokens, counts.output_tokens];
  const totalTokens = typeof inputTokens === 'number' && typeof outputTokens === 'number' && inputTokens + outputTokens;
  return usageOf({
    inputTokens,
    outputTokens,
    totalTokens,
    cachedReadTokens: counts.cache_read_input_tokens,
    cachedWriteTokens: counts.cache_creation_input_tokens,
  });
}
