import { createHash, randomUUID } from 'node:crypto';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { Logger } from 'pino';
import { Backoff, untilAvailable } from '../backoff.js';
import { ControlPlaneUnavailable } from '../control-plane.js';
import { failureAnswer, receivedAnswer, sentAnswer, startedAnswer } from './tool-answers.js';
import type { Delivery } from './socket-transport.js';
import { agentsOf, messageOf, waitOf } from './tool-arguments.js';
import { ToolFailure, toolFailureOf, turnOver, unanswered } from './tool-failure.js';
import type { ReceivedMessage, TurnTree } from './turn-tree.js';

/** The api waits no longer at a time. */
const maxApiWaitSeconds = 50;
/** An api that answers sooner, and with nothing, does not wait. */
const shortestWaitMs = 1_000;
const maxCalls = 16;

export interface ToolTimings {
  /** How long a call is sent again to an api that does not answer. */
  patienceMs: number;
  /** Between two signs of life of a call that waits. */
  progressMs: number;
}

export const toolTimings: ToolTimings = { patienceMs: 60_000, progressMs: 10_000 };

/** Of one call. `signal` aborts when nobody waits for its result any more. */
export interface ToolCall {
  name: string;
  input: Record<string, unknown>;
  signal: AbortSignal;
  /** Told every now and then while the call waits. */
  onProgress(seconds: number): void;
}

export interface ToolResult {
  result: CallToolResult;
  /** To be told what becomes of the result. */
  delivery?: Delivery;
}

/** What the tools of one turn's agent do. Every call has an answer; a failure says what to do next. */
export class TurnTools {
  /** Aborts when the turn needs no tools any more. */
  private readonly stopped = new AbortController();
  private running = 0;
  /** Of the call that waits for messages. */
  private waiting: AbortSignal | undefined;
  /** By tool and arguments: keys of calls of which nobody knows whether they were done. */
  private readonly unansweredKeys = new Map<string, string>();
  /** Messages that the agent was given, by their ids, and those of them that it may not have taken. */
  private readonly told = new Set<string>();
  private readonly given = new Set<readonly ReceivedMessage[]>();
  private telling: Promise<void> = Promise.resolve();

  constructor(
    private readonly tree: TurnTree,
    /** Aborts when the turn is not this runner's any more. */
    private readonly lost: AbortSignal,
    private readonly log: Logger,
    private readonly timings = toolTimings,
  ) {}

  async call({ name, input, signal, onProgress }: ToolCall): Promise<ToolResult> {
    const anySignal = AbortSignal.any([signal, this.stopped.signal, this.lost]);
    this.running += 1;
    try {
      if (this.running > maxCalls) throw tooMany(`More than ${maxCalls} calls are running.`);
      anySignal.throwIfAborted();
      return await this.perform(name, input, anySignal, onProgress);
    } catch (error) {
      const isOver = this.stopped.signal.aborted || this.lost.aborted;
      const failure = isOver ? turnOver() : toolFailureOf(error);
      if (failure.code === 'tool_failed' && !signal.aborted)
        this.log.error({ err: error, tool: name }, 'a tool of an agent failed');
      return { result: failureAnswer(name, failure) };
    } finally {
      this.running -= 1;
    }
  }

  /** Ends what is running, and refuses what is still to come. */
  stop(): void {
    this.stopped.abort();
  }

  /**
   * Resolves when the api knows which messages the agent has. Of those that it was given last, nobody knows unless the
   * turn was completed: they come again.
   */
  async settled(isCompleted: boolean): Promise<void> {
    if (isCompleted) for (const messages of [...this.given]) this.tell(messages);
    await this.telling;
  }

  private async perform(
    name: string,
    input: Record<string, unknown>,
    signal: AbortSignal,
    onProgress: (seconds: number) => void,
  ): Promise<ToolResult> {
    switch (name) {
      case 'run_agents': {
        const agents = agentsOf(input);
        const started = await this.once(name, agents, signal, (key, until) => this.tree.runAgents(agents, key, until));
        return { result: startedAnswer(started) };
      }
      case 'send_message': {
        const message = messageOf(input);
        const sent = await this.once(name, message, signal, (key, until) => this.tree.sendMessage(message, key, until));
        return { result: sentAnswer(message, sent) };
      }
      case 'wait_for_messages': {
        const seconds = waitOf(input);
        const messages = await this.wait(seconds, signal, onProgress);
        return { result: receivedAnswer(messages, seconds), delivery: this.deliveryOf(messages) };
      }
      default:
        throw new ToolFailure('tool_unknown', `There is no tool ${name}.`, 'Use a tool of the list.');
    }
  }

  /** Sends a command under one key until it is answered; also when the agent repeats a call that was not. */
  private async once<T>(
    name: string,
    command: object,
    signal: AbortSignal,
    send: (key: string, until: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const digest = createHash('sha256')
      .update(`${name} ${JSON.stringify(command)}`)
      .digest('base64');
    const key = this.unansweredKeys.get(digest) ?? randomUUID();
    this.unansweredKeys.delete(digest);
    const patience = AbortSignal.timeout(this.timings.patienceMs);
    const until = AbortSignal.any([signal, patience]);
    try {
      return await untilAvailable(() => send(key, until), until);
    } catch (error) {
      const isUnknown = patience.aborted || signal.aborted || error instanceof ControlPlaneUnavailable;
      if (isUnknown) this.unansweredKeys.set(digest, key);
      throw isUnknown && !signal.aborted ? unanswered() : error;
    }
  }

  private async wait(
    seconds: number,
    signal: AbortSignal,
    onProgress: (seconds: number) => void,
  ): Promise<readonly ReceivedMessage[]> {
    if (this.waiting?.aborted === false) throw tooMany('Another call of wait_for_messages is waiting.');
    this.waiting = signal;
    const startedAt = performance.now();
    const waited = () => Math.round((performance.now() - startedAt) / 1_000);
    const progress = setInterval(() => onProgress(waited()), this.timings.progressMs);
    try {
      // Else what the agent has already would come again.
      await raced(this.telling, signal);
      return await this.receive(startedAt + seconds * 1_000, signal);
    } finally {
      clearInterval(progress);
      if (this.waiting === signal) this.waiting = undefined;
    }
  }

  private async receive(until: number, signal: AbortSignal): Promise<readonly ReceivedMessage[]> {
    const backoff = new Backoff();
    for (;;) {
      const askedAt = performance.now();
      const leftSeconds = Math.ceil((until - askedAt) / 1_000);
      const messages = await this.ask(Math.min(Math.max(leftSeconds, 1), maxApiWaitSeconds), until, signal);
      const fresh = messages.filter(({ message_id }) => !this.told.has(message_id));
      if (fresh.length > 0) return fresh;
      if (performance.now() >= until) return [];
      await raced(this.telling, signal);
      if (performance.now() - askedAt < shortestWaitMs) await backoff.wait(signal);
      signal.throwIfAborted();
    }
  }

  /** An api that is away is asked until the call's time is over, and for `patienceMs` at least. */
  private async ask(seconds: number, until: number, signal: AbortSignal): Promise<readonly ReceivedMessage[]> {
    const patienceMs = Math.max(until - performance.now(), this.timings.patienceMs);
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), patienceMs + seconds * 1_000);
    try {
      const anySignal = AbortSignal.any([signal, patience.signal]);
      return await untilAvailable(() => this.tree.waitForMessages(seconds, anySignal), anySignal);
    } catch (error) {
      throw patience.signal.aborted && !signal.aborted ? unanswered() : error;
    } finally {
      clearTimeout(timer);
    }
  }

  private deliveryOf(messages: readonly ReceivedMessage[]): Delivery | undefined {
    if (messages.length === 0) return undefined;
    for (const { message_id } of messages) this.told.add(message_id);
    this.given.add(messages);
    return {
      taken: () => this.tell(messages),
      refused: () => {
        this.given.delete(messages);
        for (const { message_id } of messages) this.told.delete(message_id);
      },
    };
  }

  private tell(messages: readonly ReceivedMessage[]): void {
    if (!this.given.delete(messages)) return;
    const ids = messages.map(({ message_id }) => message_id);
    this.telling = this.telling
      .then(() => untilAvailable(() => this.tree.delivered(ids), this.lost))
      .catch((error: Error) =>
        this.log.debug({ err: error }, 'the agent has messages, but this could not be recorded'),
      );
  }
}

function tooMany(message: string): ToolFailure {
  return new ToolFailure('too_many_calls', message, 'Wait for its result first.');
}

/** Rejects as soon as `signal` aborts. */
async function raced<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
  });
  return await Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', abort));
}
