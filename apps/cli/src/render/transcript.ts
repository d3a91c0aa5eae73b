import type { SessionRecord } from '@holdfast/client';
import { oneLine, printable } from './printable.js';
import { planLines } from './session-view.js';
import type { Style } from './style.js';
import { turnEndLine, type TurnEnd } from './turn-end.js';
import { contentText, list, record, string, type Json } from './wire.js';

/** One record of a transcript as lines; none for records that only programs need. */
export function recordLines({ type, content }: Pick<SessionRecord, 'type' | 'content'>, style: Style): string[] {
  switch (type) {
    case 'user_message':
      return textLines(string(content['prompt'])).map((text) => style.bold(`> ${text}`));
    case 'agent_message':
      return textLines(blocksText(content));
    case 'thought':
      return textLines(blocksText(content)).map(style.dim);
    case 'plan':
      return planLines(list(content['entries']), style);
    case 'tool_call':
      return [toolCallLine(content, style)];
    case 'interaction':
      return [interactionLine(content, style)];
    case 'turn_end':
      return [turnEndLine(string(content['status']) as TurnEnd, content, style)];
    default:
      return [];
  }
}

const textLines = (text: string) => printable(text).trim().split('\n');

const blocksText = (content: Json) => list(content['blocks']).map(contentText).join('');

function toolCallLine({ status, tool_call }: Json, style: Style): string {
  const title = oneLine(string(record(tool_call)['title'])) || 'tool call';
  if (status === 'completed') return `${style.good('✓')} ${title}`;
  return `${style.bad('✗')} ${title}: ${oneLine(string(status))}`;
}

function interactionLine({ request, verdict, outcome, reason }: Json, style: Style): string {
  const title = oneLine(string(record(record(request)['tool_call'])['title'])) || 'a tool call';
  const decision = string(record(verdict)['decision']);
  const ending = decision ? decision.replace('_', ' ') : [outcome, reason].map(string).filter(Boolean).join(', ');
  return style.attention(`? ${title}: ${oneLine(ending)}`);
}
