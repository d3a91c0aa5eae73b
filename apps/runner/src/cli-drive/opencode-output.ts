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
 * `opencode run --format json` (1.18): parts of messages as they are finished, every line with its session. Nothing says
 * that the prompt is over: a step that is finished for another reason than its tool calls was the last one, and so is
 * one whose tool call was rejected.
 */
export const opencodeDialect: CliDialect = {
  takesId: false,
  unknownSession: /Session not found/i,
  reader: readOpencode,
};

const rejected = /rejected permission|prevents you from using this/i;

function readOpencode(listener: CliListener, updates: CliUpdates): (line: CliLine) => void {
  const used = { inputTokens: 0, outputTokens: 0, thoughtTokens: 0, cachedReadTokens: 0, totalTokens: 0 };
  let wasRejected = false;

  return (line) => {
    const session = textOf(line.sessionID);
    if (session !== '') listener.session(session);
    const part = recordOf(line.part);
    const messageId = textOf(part.messageID);
    switch (line.type) {
      case 'text':
        return updates.text('agent_message_chunk', textOf(part.id), textOf(part.text));
      case 'reasoning':
        return updates.text('agent_thought_chunk', messageId, textOf(part.text));
      case 'tool_use':
        return readTool(part);
      case 'step_finish':
        return readStep(part);
      case 'error': {
        const error = recordOf(line.error);
        return listener.failure(textOf(recordOf(error.data).message) || textOf(error.name) || 'unknown error');
      }
    }
  };

  function readTool(part: CliLine): void {
    const state = recordOf(part.state);
    const [id, name] = [textOf(part.callID), textOf(part.tool)];
    updates.toolCall({ id, name, input: state.input, ...(typeof state.title === 'string' && { title: state.title }) });
    const failed = state.status === 'error';
    const text = failed ? textOf(state.error) : textOf(state.output);
    updates.toolEnd(id, { failed, text });
    wasRejected ||= failed && rejected.test(text);
    if (failed && rejected.test(text)) {
      listener.notice({ code: 'permission_denied', message: `opencode was not allowed to use ${name}: ${text}` });
    }
  }

  function readStep(part: CliLine): void {
    const tokens = recordOf(part.tokens);
    used.inputTokens += count(tokens.input);
    used.outputTokens += count(tokens.output);
    used.thoughtTokens += count(tokens.reasoning);
    used.cachedReadTokens += count(recordOf(tokens.cache).read);
    used.totalTokens += count(tokens.total);
    if (part.reason === 'tool-calls' && !wasRejected) return;
    listener.end({ stopReason: part.reason === 'length' ? 'max_tokens' : 'end_turn', ...usageOf(used) });
  }
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
