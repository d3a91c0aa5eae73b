import { HoldfastError, type HoldfastClient, type SessionEvent, type SessionInteraction } from '@holdfast/client';
import { choiceLines, choiceNamed, choicesOf, type Decision } from '../render/question.js';
import { string } from '../render/wire.js';
import type { Terminal } from './terminal.js';

/** Where the desk shows what it has to say. */
export interface QuestionOutput {
  note: (text: string) => void;
  question: (request: unknown) => void;
}

/** Puts an agent's open questions to whoever sits at the terminal, one after the other. */
export class QuestionDesk {
  private readonly open = new Map<string, { request: unknown; isShown: boolean }>();
  private readonly closing = new AbortController();
  private isLive = false;
  private isAsking = false;
  private canAsk: boolean;
  private asked: { interaction_id: string; withdrawn: AbortController } | undefined;

  /** `earlier` are the questions that were open before the first event that is shown. */
  constructor(
    earlier: SessionInteraction[],
    private readonly client: HoldfastClient,
    private readonly terminal: Terminal,
    private readonly program: string,
    private readonly output: QuestionOutput,
  ) {
    this.canAsk = terminal.isInteractive;
    for (const { interaction_id, request } of earlier) this.open.set(interaction_id, { request, isShown: false });
  }

  /** Learns from an event that was shown which questions are open. */
  see({ type, data }: SessionEvent): void {
    const interaction_id = string(data['interaction_id']);
    if (type === 'interaction.requested') {
      this.open.set(interaction_id, { request: data['request'], isShown: true });
      if (this.isLive) this.put(interaction_id);
    }
    if (type !== 'interaction.responded' && type !== 'interaction.cancelled') return;
    this.open.delete(interaction_id);
    if (this.asked?.interaction_id === interaction_id) this.asked.withdrawn.abort();
  }

  /** From now on questions are asked; those of the past may have been answered long ago. */
  goLive(): void {
    this.isLive = true;
    for (const [interaction_id, { request, isShown }] of this.open) {
      if (!isShown) this.output.question(request);
      this.put(interaction_id);
    }
  }

  close(): void {
    this.closing.abort();
    this.asked?.withdrawn.abort();
  }

  private put(interaction_id: string): void {
    if (this.canAsk) void this.askAll();
    else this.sayHow(interaction_id);
  }

  private sayHow(interaction_id: string): void {
    this.output.note(`waiting for an answer: ${this.program} answer ${interaction_id} allow   (or deny, or always)`);
  }

  private async askAll(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    for (const [interaction_id, { request }] of this.open) {
      if (this.closing.signal.aborted) break;
      await this.ask(interaction_id, request);
    }
    this.isAsking = false;
  }

  private async ask(interaction_id: string, request: unknown): Promise<void> {
    if (!this.canAsk) return this.sayHow(interaction_id);
    const withdrawn = new AbortController();
    this.asked = { interaction_id, withdrawn };
    const choices = choicesOf(request);
    for (const text of choiceLines(choices)) this.output.note(text);
    const prompt = `  answer [${choices.map(({ letter }) => letter).join('/')}]: `;
    let answer: string | undefined;
    do answer = await this.terminal.ask(prompt, withdrawn.signal);
    while (answer !== undefined && !choiceNamed(answer, choices));
    this.asked = undefined;

    if (this.closing.signal.aborted) return;
    const choice = answer === undefined ? undefined : choiceNamed(answer, choices);
    if (choice) return this.respond(interaction_id, choice.decision);
    if (withdrawn.signal.aborted) return this.output.note('  answered elsewhere');
    // The input has ended.
    this.canAsk = false;
    this.sayHow(interaction_id);
  }

  private async respond(interaction_id: string, decision: Decision): Promise<void> {
    this.open.delete(interaction_id);
    try {
      await this.client.respond(interaction_id, { decision }, { signal: this.closing.signal });
    } catch (error) {
      if (this.closing.signal.aborted) return;
      const { message } = error as Error;
      this.output.note(`  not answered: ${message}${error instanceof HoldfastError ? ` (${error.code})` : ''}`);
    }
  }
}
