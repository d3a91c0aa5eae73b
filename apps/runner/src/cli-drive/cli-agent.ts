import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { setImmediate as nextLoopTurn } from 'node:timers/promises';
import type { NativeCommand } from '@holdfast/harnesses';
import { AgentProcess, type AgentExit, type AgentTerms } from '../agent-process.js';
import {
  AgentProtocolError,
  ResumeImpossible,
  type AgentClient,
  type DrivenAgent,
  type PromptEnd,
} from '../driven-agent.js';
import { gatedOutput } from '../gated-output.js';
import { isStorableName, storableStart, storableTail } from '../storable.js';
import { AgentGone, TurnFailure } from '../turn-failure.js';
import { ApprovalBridge } from './approval-bridge.js';
import { CliLife } from './cli-life.js';
import { cliExtras } from './cli-tools.js';
import { CliUpdates, isRecord, type CliDialect, type CliLine, type CliListener } from './cli-output.js';
import { writeCommandFiles } from './command-files.js';

/** Of one line: the harnesses put a whole tool result into one. */
const maxLineBytes = 16 * 1024 * 1024;
const maxSessionIdLength = 256;
/** How long a program may take to leave once it said that its prompt is over. */
const leaveMs = 5_000;
const forcedEndMs = 300;
const maxErrorLength = 1_200;
const maxLastWordsLength = 1_500;

/** What is run for a prompt: found on this machine before, made a command when the prompt is there. */
export interface CliProgram {
  harness: string;
  dialect: CliDialect;
  environment: Readonly<Record<string, string>>;
  /** Whether it is told of the turn's tools. */
  takesTools: boolean;
  /** Whether questions of the agent are brought to people. */
  isBridged: boolean;
  /** `nativeId` of a new conversation is null where the harness chooses it. */
  command(prompt: {
    text: string;
    cwd: string;
    nativeId: string | null;
    isResume: boolean;
  }): Pick<NativeCommand, 'argv' | 'env' | 'stdin' | 'files'>;
}

/** One turn of a harness through its own command line: a process for its prompt, whose stdout says what it does. */
export class CliAgent implements DrivenAgent {
  readonly process = new CliLife();
  readonly drained: Promise<void>;
  /** Its stdin is closed once it has its prompt. */
  readonly takesSteering = false;

  private readonly updates: CliUpdates;
  private resumes: string | null = null;
  private sessionId: string | undefined;
  private running: AgentProcess | undefined;
  private isCancelled = false;
  private end: PromptEnd | undefined;
  private failure: string | undefined;
  /** Why what it says is not to be believed. */
  private breach: Error | undefined;
  private leaving: NodeJS.Timeout | undefined;
  private tellDrained: () => void = () => undefined;

  constructor(
    private readonly program: CliProgram,
    private readonly terms: AgentTerms,
    private readonly client: AgentClient,
  ) {
    this.updates = new CliUpdates((update) => client.onUpdate(update));
    this.drained = new Promise((resolve) => (this.tellDrained = resolve));
    void this.process.exited.then(() => this.tellDrained());
  }

  async initialize(): Promise<void> {
    // There is no process yet.
  }

  async openSession(_cwd: string, resumeSessionId: string | null): Promise<string | undefined> {
    this.resumes = resumeSessionId;
    return resumeSessionId ?? undefined;
  }

  async prompt(text: string): Promise<PromptEnd> {
    const exit = await this.run(text);
    // Whoever waits for the exit is not to overtake the outcome.
    void nextLoopTurn().then(() => this.process.conclude(exit));
    return this.outcome(exit);
  }

  async steer(): Promise<boolean> {
    return false;
  }

  async cancel(): Promise<void> {
    if (this.end) return;
    this.isCancelled = true;
    this.running?.interrupt();
  }

  private async run(text: string): Promise<AgentExit> {
    let bridge: ApprovalBridge | undefined;
    try {
      if (this.program.isBridged) bridge = await this.openBridge();
      const command = await this.prepare(text);
      return await this.hear(this.start(command, bridge), command.stdin ?? '');
    } finally {
      clearTimeout(this.leaving);
      await bridge?.close();
    }
  }

  private async prepare(text: string) {
    const nativeId = this.resumes ?? (this.program.dialect.takesId ? randomUUID() : null);
    const { cwd } = this.terms;
    try {
      const command = this.program.command({ text, cwd, nativeId, isResume: this.resumes !== null });
      await writeCommandFiles(command.files);
      return command;
    } catch (error) {
      throw new TurnFailure('agent_start_failed', `The agent could not be started: ${(error as Error).message}`);
    }
  }

  private openBridge(): Promise<ApprovalBridge> {
    // The question may overtake the line that tells of its tool call.
    const serverPath = join(dirname(this.terms.watchdogPath), 'cli-drive', 'approval-server.js');
    return ApprovalBridge.open(serverPath, this.client, ({ toolCallId, name, input }) =>
      this.updates.toolCall({ id: toolCallId, name, input }),
    );
  }

  private start(command: Pick<NativeCommand, 'argv' | 'env'>, bridge: ApprovalBridge | undefined): AgentProcess {
    const [program, ...args] = command.argv;
    const own = { ...this.program.environment, ...command.env };
    const tools = this.program.takesTools ? this.client.tools : undefined;
    const extras = cliExtras(this.program.harness, own, tools, bridge);
    const launch = {
      command: program,
      args: [...args, ...extras.args],
      environment: { ...own, ...extras.environment },
    };
    const process = this.process.start(() => new AgentProcess(launch, this.terms));
    if (!process) throw new Error('The turn was ended before its agent was started.');
    this.running = process;
    if (this.isCancelled) process.interrupt();
    return process;
  }

  /** Reads all that the process says until it has ended. */
  private async hear(process: AgentProcess, input: string): Promise<AgentExit> {
    // Closed at once: whatever asks its terminal gets no answer, which is no yes.
    process.stdin.end(input);
    const read = this.program.dialect.reader(this.listener, this.updates);
    const reading = this.readLines(process, read).catch((error: Error) => this.refuse(error));
    const exit = await process.exited;
    await reading;
    return exit;
  }

  private async readLines(process: AgentProcess, read: (line: CliLine) => void): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of gatedOutput(process, this.client)) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop()!;
      if (rest.length > maxLineBytes) {
        throw new AgentProtocolError(`The agent wrote a line of more than ${maxLineBytes} bytes.`);
      }
      for (const line of lines) if (this.breach === undefined) this.take(line, read);
    }
    if (this.breach === undefined) this.take(rest, read);
  }

  private take(text: string, read: (line: CliLine) => void): void {
    const line = parsed(text);
    // Some print a warning before they begin.
    if (line) read(line);
  }

  private get listener(): CliListener {
    return {
      session: (nativeId) => this.know(nativeId),
      notice: ({ code, message }) => this.client.onNotice({ code, message: storableStart(message, maxErrorLength) }),
      end: (end) => this.conclude(() => (this.end = end)),
      failure: (message) => this.conclude(() => (this.failure = message)),
    };
  }

  private know(nativeId: string): void {
    if (nativeId === this.sessionId) return;
    if (nativeId === '' || nativeId.length > maxSessionIdLength || !isStorableName(nativeId)) {
      return this.refuse(new AgentProtocolError('The agent told an id of its conversation that cannot be used.'));
    }
    const expected = this.sessionId ?? this.resumes ?? nativeId;
    if (nativeId !== expected) {
      const message = `The agent went on with conversation ${nativeId} in place of ${expected}.`;
      return this.refuse(new ResumeImpossible(message));
    }
    this.sessionId = nativeId;
    if (this.resumes === null) this.client.onSession(nativeId);
  }

  /** The prompt is over; the program is to leave by itself. */
  private conclude(note: () => void): void {
    note();
    clearTimeout(this.leaving);
    this.leaving = setTimeout(() => this.running?.end(forcedEndMs), leaveMs);
  }

  private refuse(breach: Error): void {
    this.breach ??= breach;
    this.running?.end(forcedEndMs);
  }

  private outcome(exit: AgentExit): PromptEnd {
    if (this.breach) throw this.breach;
    if (exit.startFailure !== null || exit.exceeded || exit.expired) throw new AgentGone(exit);
    if (this.isCancelled) return { stopReason: 'cancelled' };
    if (this.resumes !== null && this.isUnknown()) {
      throw new ResumeImpossible(
        `${this.program.harness} does not know the conversation ${this.resumes}: ${this.lastWords()}`,
      );
    }
    if (this.end) return this.end;
    if (this.failure !== undefined) {
      const told = storableStart(this.failure, maxErrorLength);
      throw new TurnFailure('agent_error', `The agent answered with an error: ${told}`);
    }
    if (this.resumes === null && this.sessionId === undefined && !this.program.dialect.takesId) {
      throw new TurnFailure(
        'native_id_unknown',
        `${this.program.harness} chooses the id of a new conversation itself, and ended (${describeExit(exit)}) before it ` +
          `told it. What it may have done cannot be gone on with; the next turn begins a new one.\n${this.lastWords()}`,
      );
    }
    throw new AgentGone(exit);
  }

  private isUnknown(): boolean {
    const { unknownSession } = this.program.dialect;
    return this.sessionId === undefined && unknownSession.test(`${this.process.stderrTail}\n${this.failure ?? ''}`);
  }

  private lastWords(): string {
    return storableTail(this.process.stderrTail, maxLastWordsLength);
  }
}

function parsed(text: string): CliLine | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    const line: unknown = JSON.parse(text);
    return isRecord(line) ? line : undefined;
  } catch {
    return undefined;
  }
}

function describeExit({ code, signal }: AgentExit): string {
  if (signal !== null) return `by ${signal}`;
  return code === null ? 'with its watchdog' : `with code ${code}`;
}
