import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import type { SessionTurn } from '@holdfast/client';
import { eventually, type ConversationItem, type FakeModel } from '@holdfast/testing';
import { followUntil } from '../test/follow.js';
import type { Stack } from '../test/stack.js';

/** Long, for a busy machine; nothing waits for its end. */
const PATIENCE_MS = 120_000;
const ENDS = new Set(['completed', 'failed', 'cancelled', 'superseded', 'merged', 'paused', 'lost']);

/** What the conversation of a session must hold: of a call the command, of a result what it printed. */
export interface Said {
  role: ConversationItem['role'];
  kind: ConversationItem['kind'];
  text: string;
}

export const asked = (text: string): Said => ({ role: 'user', kind: 'text', text });
export const answered = (text: string): Said => ({ role: 'assistant', kind: 'text', text });
export const called = (command: string): Said => ({ role: 'assistant', kind: 'call', text: command });
export const resulted = (output: string): Said => ({ role: 'tool', kind: 'result', text: output });

/** A session that is worked with by nothing but `invoke`, and what its model was sent. */
export class InvokedSession {
  readonly session_id = `s-${randomUUID()}`;
  /** Those that were seen, oldest first. */
  private readonly questions: string[] = [];
  private readonly turns: string[] = [];

  constructor(
    private readonly stack: Stack,
    private readonly model: FakeModel,
    private readonly agent: string,
  ) {}

  /** Does not wait for the turn. */
  async begin(prompt: string, { agent = this.agent, fresh_start = false } = {}): Promise<string> {
    const { session_id } = this;
    const { turn_id } = await this.stack.client.invoke({ session_id, prompt, agent: { name: agent }, fresh_start });
    this.turns.push(turn_id);
    return turn_id;
  }

  end(turn_id: string): Promise<SessionTurn> {
    return eventually(
      async () => {
        const turn = await this.stack.client.streams.fetchSessionTurn({ turn_id });
        if (!ENDS.has(turn.status)) throw new Error(`the turn is still ${turn.status}`);
        return turn;
      },
      { timeout: PATIENCE_MS },
    );
  }

  /** A turn to its good end. Whoever prompts with `[[ask:` allows what it asks for. Returns the harness's session id. */
  async turn(prompt: string, agent?: string): Promise<string> {
    const turn_id = await this.begin(prompt, { agent });
    if (prompt.includes('[[ask:')) await this.allow();
    const turn = await this.end(turn_id);
    expect({ status: turn.status, error: turn.error }).toEqual({ status: 'completed', error: null });
    return turn.agent_session_id!;
  }

  /** Waits for a question that was not there before. */
  async question(): Promise<void> {
    const { session_id } = this;
    await eventually(
      async () => {
        const { data } = await this.stack.client.interactions.querySessionInteractions({
          SessionInteractionQuery: { session_id, status: 'pending' },
        });
        const fresh = data.find(({ interaction_id }) => !this.questions.includes(interaction_id));
        if (!fresh) throw new Error('no question yet');
        this.questions.push(fresh.interaction_id);
      },
      { timeout: PATIENCE_MS },
    );
  }

  /** Allows what was asked last. */
  async answer(): Promise<void> {
    await this.stack.client.respond(this.questions.at(-1)!, { decision: 'allow' });
  }

  async allow(): Promise<void> {
    await this.question();
    await this.answer();
  }

  /** What the log tells beside what the agents said. */
  async notices(): Promise<Record<string, unknown>[]> {
    const seen = await followUntil(this.stack, this.session_id, ({ event }) => {
      return /^turn\.(completed|failed)$/.test(event.type) && event.turn_id === this.turns.at(-1);
    });
    return seen.filter(({ event }) => event.type === 'agent.notice').map(({ event }) => event.data);
  }

  /** Waits until what is stored of the conversation matches. */
  async saved(pattern: RegExp): Promise<void> {
    await eventually(
      async () => {
        const { content } = await this.stack.client.readNativeContent({ session_id: this.session_id, as: 'tar' });
        if (!pattern.test(await text(content))) throw new Error(`${pattern} is not saved yet`);
      },
      { timeout: PATIENCE_MS },
    );
  }

  /** The model was sent this and nothing else, and answered the last of it. */
  expectSent(history: Said[]): void {
    expect(this.lastExchange().map(({ role, kind, text }) => ({ role, kind, text: text.trim() }))).toEqual(
      history.map((said) => ({ ...said, text: said.kind === 'text' ? said.text : expect.stringContaining(said.text) })),
    );
  }

  /** All of this is in what the model was sent and in this order; a program's own words may be between. */
  expectHeld(history: Said[]): void {
    const known = [...new Map(history.map((said) => [`${said.kind} ${said.text}`, said])).values()];
    const held = this.lastExchange().flatMap((item) => {
      const isSaid = ({ text }: Said) => (item.kind === 'text' ? item.text.trim() === text : item.text.includes(text));
      return known.filter((said) => said.role === item.role && said.kind === item.kind && isSaid(said));
    });
    expect(held).toEqual(history);
  }

  async conversations() {
    const { data } = await this.stack.client.nativeTranscripts.querySessionNativeConversations({
      SessionNativeConversationQuery: { session_id: this.session_id },
    });
    return data;
  }

  /** What the model was sent last, without what a program asks on its own behalf. */
  lastSent(): ConversationItem[] {
    return this.model.log.filter(({ side }) => !side).at(-1)?.conversation ?? [];
  }

  /** The same, and what it answered. */
  private lastExchange(): ConversationItem[] {
    const { reply } = this.model.log.filter(({ side }) => !side).at(-1)!;
    const said = reply.parts.flatMap((part) => ('say' in part ? [part.say] : [])).join('');
    return [...this.lastSent(), { role: 'assistant', kind: 'text', text: said }];
  }
}
