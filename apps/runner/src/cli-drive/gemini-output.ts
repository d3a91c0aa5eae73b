import {
  recordOf,
  textOf,
  usageOf,
  type CliDialect,
  type CliLine,
  type CliListener,
  type CliUpdates,
} from './cli-output.js';

/** `gemini --output-format stream-json -p` (0.61): `init`, then messages in pieces and tools, then `result`. */
export const geminiDialect: CliDialect = {
  takesId: true,
  unknownSession: /Error resuming session|Invalid session identifier/i,
  reader: readGemini,
};

function readGemini(listener: CliListener, updates: CliUpdates): (line: CliLine) => void {
  let messages = 0;

  return (line) => {
    switch (line.type) {
      case 'init':
        return listener.session(textOf(line.session_id));
      case 'message':
        if (line.role !== 'assistant') return;
        if (line.delta !== true) messages += 1;
        return updates.text('agent_message_chunk', `${messages}`, textOf(line.content));
      case 'tool_use':
        return updates.toolCall({
          id: textOf(line.tool_id),
          name: textOf(line.tool_name),
          input: line.parameters,
        });
      case 'tool_result':
        return readResult(line);
      case 'error':
        return listener.notice({ code: 'agent_warning', message: textOf(line.message) });
      case 'result':
        return readEnd(line);
    }
  };

  function readResult(line: CliLine): void {
    const failed = line.status === 'error';
    const error = recordOf(line.error);
    const text = textOf(line.output) || textOf(error.message);
    updates.toolEnd(textOf(line.tool_id), { failed, text });
    // Without a person to ask it takes the tools that would ask away from the model.
    if (failed && (error.type === 'tool_not_registered' || error.type === 'policy_violation')) {
      listener.notice({ code: 'permission_denied', message: `Gemini CLI had nobody to ask: ${text}` });
    }
  }

  function readEnd(line: CliLine): void {
    if (line.status !== 'success') return listener.failure(textOf(recordOf(line.error).message) || 'unknown error');
    const { input_tokens, output_tokens, total_tokens, cached } = recordOf(line.stats);
    listener.end({
      stopReason: 'end_turn',
      ...usageOf({
        inputTokens: input_tokens,
        outputTokens: output_tokens,
        totalTokens: total_tokens,
        cachedReadTokens: cached,
      }),
    });
  }
}
