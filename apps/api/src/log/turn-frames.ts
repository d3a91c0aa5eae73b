import {
  elementsOf,
  formatOffset,
  SseFrame,
  type LogHead,
  type LogKey,
  type LogPage,
  type ViewFrames,
} from '@holdfast/durable-streams';
import type { DomainError } from '@holdfast/platform-errors';
import { problemOf } from '@holdfast/platform-http';
import type { SessionStreamInvoked } from '@holdfast/sessions-streams';

/** The part of a message that is read here, and the bytes that go on as they are. */
interface Message {
  type: string;
  turn_id: string | null;
  data: { watcher_id?: string | null };
  bytes: Buffer;
}

const TURN_END = /^turn\.(completed|failed|cancelled|superseded|merged|paused|lost)$/;

/** How the view of a turn comes to its end. */
type TurnViewEnd = 'turn_ended' | 'displaced';

/**
 * One turn out of its session's log, for whoever stays to watch it: `data` and `control` as the log has them, `displaced`
 * when another watcher came. `onEnd` is called before the last frame is written.
 */
export class TurnFrames implements Required<ViewFrames> {
  private isWatcher = false;
  private hasEnded = false;

  constructor(
    private readonly invoked: SessionStreamInvoked,
    private readonly requestId: string,
    private readonly onEnd: () => void,
  ) {}

  page(head: LogHead, page: LogPage): SseFrame {
    const mine: Message[] = [];
    let next = page.from;
    let end: TurnViewEnd | undefined;
    for (const message of messagesOf(page)) {
      if (end || this.hasEnded) break;
      next += 1;
      if (message.turn_id !== this.invoked.turn_id) continue;
      mine.push(message);
      end = this.endAt(message);
    }
    const streamNextOffset = formatOffset({ generation: head.generation, position: next });
    const control = { streamNextOffset, ...(page.upToDate && next === page.next && { upToDate: true }) };
    if (end) {
      this.hasEnded = true;
      this.onEnd();
    }
    return new SseFrame(
      Buffer.concat([
        ...dataEvent(mine),
        Buffer.from(sseEvent('control', control)),
        ...(end === 'displaced' ? [Buffer.from(sseEvent('displaced', mine.at(-1)!.data))] : []),
      ]),
    );
  }

  problem(_: LogKey, error: DomainError): SseFrame {
    return new SseFrame(Buffer.from(sseEvent('problem', problemOf(error, this.requestId))));
  }

  /** Watchers before one's own are the past. One that merely left makes room for nobody. */
  private endAt({ type, data }: Message): TurnViewEnd | undefined {
    if (TURN_END.test(type)) return 'turn_ended';
    if (type !== 'session.watcher_changed' || this.invoked.watcher_id === null) return undefined;
    if (data.watcher_id === this.invoked.watcher_id) this.isWatcher = true;
    else if (this.isWatcher && data.watcher_id) return 'displaced';
    return undefined;
  }
}

export const sseEvent = (name: string, data: object) => `event: ${name}\ndata:${JSON.stringify(data)}\n\n`;

const DATA_OPEN = Buffer.from('event: data\ndata:[');
const DATA_CLOSE = Buffer.from(']\n\n');
const OPEN = Buffer.from('[');
const CLOSE = Buffer.from(']');
const COMMA = Buffer.from(',');

function dataEvent(messages: Message[]): Buffer[] {
  if (messages.length === 0) return [];
  const parts = messages.flatMap(({ bytes }, index) => (index ? [COMMA, bytes] : [bytes]));
  return [DATA_OPEN, ...parts, DATA_CLOSE];
}

const parsed = new WeakMap<LogPage, Message[]>();

/** Parsed once for all who watch the session. */
function messagesOf(page: LogPage): Message[] {
  const messages = parsed.get(page) ?? elementsOf(Buffer.concat([OPEN, ...page.parts, CLOSE])).map(readMessage);
  parsed.set(page, messages);
  return messages;
}

function readMessage(bytes: Buffer): Message {
  const { type, turn_id, data } = JSON.parse(bytes.toString()) as Message;
  return { type, turn_id, data, bytes };
}
