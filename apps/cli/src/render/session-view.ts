import type { SessionEvent } from '@holdfast/client';
import { emptyPage, line, lines, stream, type Page, type Printed } from './page.js';
import { oneLine, printable } from './printable.js';
import { questionLines } from './question.js';
import type { Style } from './style.js';
import { showToolCall, type ToolCalls } from './tool-call.js';
import { turnEndLine, turnEndOf } from './turn-end.js';
import { contentText, list, record, string, type Json } from './wire.js';

/** What was shown of a session so far, as far as it decides how the next event looks. */
export interface SessionView {
  readonly page: Page;
  readonly toolCalls: ToolCalls;
}

export const emptyView: SessionView = { page: emptyPage, toolCalls: {} };

export interface Shown {
  view: SessionView;
  text: string;
}

const MARKS: Record<string, string> = { completed: '[x]', in_progress: '[>]' };

/** The text that shows `event` after what `view` has shown, and the view after it. */
export function showEvent(view: SessionView, event: SessionEvent, style: Style): Shown {
  if (event.type === 'agent.update') return showUpdate(view, event.data, style);
  if (event.type === 'interaction.requested') return showQuestion(view, event.data['request'], style);
  const end = turnEndOf(event.type);
  // A prompt that waited, or that the live turn took: that goes on.
  if (end && end !== 'merged' && event.data['from'] !== 'inbox') {
    const { page, text } = line(view.page, turnEndLine(end, event.data, style), { gap: true });
    return { view: { page, toolCalls: {} }, text };
  }
  return onPage(view, showFact(view.page, event, style));
}

/** A line of the command line itself, dim. */
export function showNote(view: SessionView, note: string, style: Style): Shown {
  return onPage(view, line(view.page, style.dim(note)));
}

/** A question, and the title of the tool call that it is about for when that ends. */
export function showQuestion({ page, toolCalls }: SessionView, request: unknown, style: Style): Shown {
  const call = record(record(request)['tool_call']);
  const printed = lines(page, questionLines(request, style), { gap: true });
  const known = { ...toolCalls, [string(call['toolCallId'])]: oneLine(string(call['title'])) };
  return { view: { page: printed.page, toolCalls: known }, text: printed.text };
}

function showFact(page: Page, { type, data }: SessionEvent, style: Style): Printed {
  switch (type) {
    case 'turn.queued':
    case 'turn.merged':
      return lines(page, promptLines(data, style), { gap: true });
    case 'turn.inbox':
      return line(page, style.dim(`waiting: ${oneLine(string(data['prompt']))}`));
    case 'turn.attempt_lost':
      return line(page, style.attention(`! the runner was lost${data['requeued'] ? '; another one will go on' : ''}`));
    case 'turn.stopping':
      return line(page, style.dim('stopping …'));
    case 'agent.notice':
      return line(page, style.attention(`! ${oneLine(string(data['message']), 500)}`));
    case 'interaction.responded':
      return line(page, answerLine(record(data['verdict']), style));
    case 'interaction.cancelled':
      return line(page, style.dim(`the question was withdrawn: ${oneLine(string(data['reason']))}`));
    default:
      return { page, text: '' };
  }
}

function showUpdate(view: SessionView, update: Json, style: Style): Shown {
  const { page, toolCalls } = view;
  switch (update['sessionUpdate']) {
    case 'agent_message_chunk':
      return onPage(
        view,
        stream(page, 'message', printable(contentText(update['content'])), (text) => text),
      );
    case 'agent_thought_chunk':
      return onPage(view, stream(page, 'thought', printable(contentText(update['content'])), style.dim));
    case 'tool_call':
    case 'tool_call_update': {
      const { page: after, text, calls } = showToolCall(page, toolCalls, update, style);
      return { view: { page: after, toolCalls: calls }, text };
    }
    case 'plan':
      return onPage(view, lines(page, planLines(list(update['entries']), style), { gap: true }));
    default:
      return { view, text: '' };
  }
}

const onPage = (view: SessionView, { page, text }: Printed): Shown => ({ view: { ...view, page }, text });

function promptLines(data: Json, style: Style): string[] {
  const { name, revision } = record(data['agent']);
  const prompt = printable(string(data['prompt'])).split('\n');
  return [
    ...prompt.map((text) => style.bold(`> ${text}`)),
    style.dim(`  agent ${oneLine(string(name))}, revision ${Number(revision)}`),
    '',
  ];
}

/** A plan as a checklist. */
export function planLines(entries: Json[], style: Style): string[] {
  return entries.map(({ content, status }) => {
    const text = `${MARKS[string(status)] ?? '[ ]'} ${oneLine(string(content))}`;
    return status === 'completed' ? style.dim(text) : text;
  });
}

function answerLine({ decision, message }: Json, style: Style): string {
  const said = message ? `: ${oneLine(string(message))}` : '';
  if (decision === 'deny') return style.bad(`✗ denied${said}`);
  return style.good(`✓ allowed${decision === 'allow_always' ? ' from now on' : ''}${said}`);
}
