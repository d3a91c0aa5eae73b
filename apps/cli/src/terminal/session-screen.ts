import type { ConnectionState, HoldfastClient, LoggedEvent, SessionInteraction } from '@holdfast/client';
import type { CursorStore } from '../cursor-store.js';
import { oneLine } from '../render/printable.js';
import { emptyView, showEvent, showNote, showQuestion, type SessionView, type Shown } from '../render/session-view.js';
import type { Style } from '../render/style.js';
import { turnEndOf, type TurnEnd } from '../render/turn-end.js';
import { record, string } from '../render/wire.js';
import { onInterrupt } from './interrupts.js';
import { QuestionDesk } from './question-desk.js';
import type { Terminal } from './terminal.js';

/** What the commands show things on. */
export interface Screen {
  terminal: Terminal;
  style: Style;
}

/** What the commands work with. */
export interface Desk extends Screen {
  client: HoldfastClient;
  cursors: CursorStore;
  /** How the user calls this program. */
  program: string;
}

/** What to show: the events behind `offset`, until the turn ends. */
export interface Watch {
  session_id: string;
  turn_id: string;
  offset: string;
  /** Up to here it is the past, where nothing is asked. */
  tail: string;
  /** The questions that were open before `tail` was read. */
  questions: SessionInteraction[];
}

/** Shows a session, asks what its agent asks, and remembers how far it got. */
export class SessionScreen {
  private view: SessionView = emptyView;
  private isDisconnected = false;

  constructor(private readonly desk: Desk) {}

  /** How the turn ended; undefined when the user went away before, or `signal` aborted. */
  async watch(
    { session_id, turn_id, offset, tail, questions }: Watch,
    signal?: AbortSignal,
  ): Promise<TurnEnd | undefined> {
    const { client, cursors, terminal, program } = this.desk;
    const interrupt = onInterrupt();
    const cursor = cursors.follow(session_id);
    const desk = new QuestionDesk(questions, client, terminal, program, {
      note: (text) => this.note(text),
      question: (request) => this.put(showQuestion(this.view, request, this.desk.style)),
    });
    const onConnection = (state: ConnectionState) => this.noteConnection(state);
    let isLive = offset >= tail;
    try {
      if (isLive) desk.goLive();
      for await (const { event, offset: next } of client.followSession(session_id, {
        offset,
        signal: signal ? AbortSignal.any([interrupt.signal, signal]) : interrupt.signal,
        onConnection,
      })) {
        this.put(showEvent(this.view, event, this.desk.style));
        cursor.moveTo(next);
        desk.see(event);
        const end = event.turn_id === turn_id ? turnEndOf(event.type) : undefined;
        if (end && event.data['from'] === 'inbox') this.note(`the prompt never ran: ${reasonOf(event.data)}`);
        if (end) return end;
        if (!isLive && next >= tail) {
          isLive = true;
          desk.goLive();
        }
      }
      return undefined;
    } finally {
      desk.close();
      interrupt.stop();
      await cursor.settled();
    }
  }

  /** Shows what is there already. Gives how many events, and how the last turn among them ended. */
  async replay(session_id: string, events: AsyncIterable<LoggedEvent>): Promise<{ count: number; end?: TurnEnd }> {
    const cursor = this.desk.cursors.follow(session_id);
    let count = 0;
    let end: TurnEnd | undefined;
    try {
      for await (const { event, offset } of events) {
        this.put(showEvent(this.view, event, this.desk.style));
        cursor.moveTo(offset);
        count += 1;
        end = turnEndOf(event.type) ?? end;
      }
    } finally {
      await cursor.settled();
    }
    return { count, end };
  }

  note(text: string): void {
    this.put(showNote(this.view, text, this.desk.style));
  }

  private put({ view, text }: Shown): void {
    this.view = view;
    this.desk.terminal.write(text);
  }

  private noteConnection({ status }: ConnectionState): void {
    if (status === 'reconnecting') this.note('the connection is lost; trying again …');
    else if (this.isDisconnected) this.note('connected again');
    this.isDisconnected = status === 'reconnecting';
  }
}

const reasonOf = ({ stop_reason, error }: Record<string, unknown>) =>
  oneLine(string(stop_reason) || string(record(error)['message']));
