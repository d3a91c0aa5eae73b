import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SessionTurnBeat, SessionTurnGrant } from '@holdfast/client';
import type { Logger } from 'pino';
import { describeExceeded, type Exceeded } from './agent-limits.js';
import type { Workplace } from './agent-process.js';
import { StaleEpoch, type ControlCommand, type TurnEnd, type TurnKey } from './control-plane.js';
import {
  AgentProtocolError,
  type AgentClient,
  type DrivenAgent,
  type PreparedAgent,
  type PromptEnd,
  type PermissionAnswer,
  type PermissionRequest,
} from './driven-agent.js';
import { EventWriter } from './event-writer.js';
import { PermissionDesk } from './permission-desk.js';
import { standingAnswer } from './standing-answer.js';
import { SteeringDesk } from './steering-desk.js';
import { TurnHistory, type History } from './native/turn-history.js';
import { goneOf, openSession } from './session-opening.js';
import { isStorableValue, storableStart } from './storable.js';
import { TurnClock } from './turn-clock.js';
import { ToolsSocket } from './tools/tools-socket.js';
import { TurnTools } from './tools/turn-tools.js';
import { logRefused, runnerStopped, TurnEnding, type HandOver } from './turn-ends.js';
import { AgentGone, failedEnd, hasLostContact, isTold, TurnFailure } from './turn-failure.js';
import type { TurnSurroundings } from './turn-surroundings.js';

/** How long after its connection broke an agent may take to be seen as dead. */
const exitAfterBreakMs = 1_000;
const minuteMs = 60_000;
const mebibyte = 1024 * 1024;

/** The api takes requests of 1 MiB. */
const maxUsageBytes = 64 * 1024;

/** What ends a turn before its time. `hand_over`: another runner shall go on with it. */
type StopReason = 'cancel' | 'hand_over';

/** Hosts one turn: runs its agent from the grant to the accepted end. */
export class TurnHost {
  readonly key: TurnKey;
  /** Settles when the turn needs nothing more of this runner; never rejects. */
  readonly finished: Promise<void>;

  private readonly log: Logger;
  private readonly writer: EventWriter;
  private readonly desk: PermissionDesk;
  private readonly steering: SteeringDesk;
  private readonly clock: TurnClock;
  private readonly ending: TurnEnding;
  private readonly tools: TurnTools;
  /** Aborts when the turn is not this runner's any more. */
  private readonly lost = new AbortController();
  /** Aborts when the turn is to end before its time. */
  private readonly stopped = new AbortController();
  private history: TurnHistory | undefined;
  private toolsSocket: ToolsSocket | undefined;
  private agent: DrivenAgent | undefined;
  private agentSessionId: string | undefined;
  private isOpen = false;
  private isPrompted = false;
  private isEnding = false;
  private isBeatRefused = false;
  private stopWanted: StopReason | undefined;
  private outputBytes = 0;
  private exceeded: Exceeded | undefined;

  constructor(
    private readonly grant: SessionTurnGrant,
    private readonly around: TurnSurroundings,
    /** Settles when no agent of the session works any more. */
    private readonly before: Promise<void>,
  ) {
    const { session_id, turn_id, epoch } = grant;
    this.key = { session_id, turn_id, epoch };
    this.log = around.log.child({ session_id, turn_id, epoch });
    this.writer = new EventWriter(turn_id, (seq, events) =>
      around.plane.appendEvents(grant.log_path, epoch, seq, events),
    );
    const { turnMinutes } = around.limits;
    this.clock = new TurnClock(turnMinutes * minuteMs, () =>
      this.exceed({ limit: 'turnMinutes', allowed: turnMinutes, used: turnMinutes }),
    );
    this.desk = new PermissionDesk(this.key, around.plane, this.writer, this.clock, this.lost.signal, this.log);
    this.steering = new SteeringDesk(this.key, around.plane, this.lost.signal, this.log);
    this.ending = new TurnEnding(this.key, around.plane, this.lost.signal, this.log);
    this.tools = new TurnTools(around.plane.tree(this.key), this.lost.signal, this.log);
    this.writer.ended.addEventListener('abort', () => this.onLogEnded(this.writer.ended.reason), { once: true });
    this.finished = this.host();
  }

  /** This turn's line of a beat. */
  get beat(): SessionTurnBeat {
    return {
      ...this.key,
      status: this.isOpen ? 'running' : 'starting',
      sandbox_live: this.agent?.process.isLive ?? false,
      ...(this.agentSessionId !== undefined && { agent_session_id: this.agentSessionId }),
    };
  }

  /** A beat succeeded: the agent may live for `ms` from now. */
  extend(ms: number): void {
    this.isBeatRefused = false;
    this.agent?.process.extend(ms);
  }

  /** The api did not take this turn's line of a beat, without saying that another has the turn: its watchdog decides. */
  beatRefused(): void {
    this.isBeatRefused = true;
  }

  /** The turn is not this runner's any more: the agent ends at once, and nothing more is written for it. */
  lose(): void {
    // The end is on its way; it is fenced itself, and may be what made the turn not current.
    if (this.isEnding) return;
    this.writer.stop(new StaleEpoch('The turn has another owner, or none.'));
  }

  /** Obeying a command again changes nothing: the control log may repeat itself. */
  obey(command: ControlCommand): void {
    // A kill moves the epoch first; it is not for who was granted the turn after it.
    if (command.type === 'kill' && command.epoch >= this.key.epoch) return this.lose();
    if (command.epoch !== this.key.epoch) return;
    switch (command.type) {
      case 'answer':
        return this.desk.answer(command.interaction_id, command.verdict.decision);
      case 'steer':
        return this.steering.take(command);
      case 'cancel':
        return this.stop('cancel');
    }
  }

  /** Ends the turn before its time: by the agent itself if it can, else by force. */
  stop(reason: StopReason): void {
    const isStopping = this.stopWanted !== undefined;
    // Who wants it cancelled does not want it to go on elsewhere.
    if (this.stopWanted !== 'cancel') this.stopWanted = reason;
    if (isStopping) return;
    this.steering.close();
    this.tools.stop();
    this.stopped.abort();
    if (this.isPrompted) void this.askToStop();
    else this.agent?.process.end(this.around.timings.forcedEndMs);
  }

  private countOutput(bytes: number): void {
    const { outputMib } = this.around.limits;
    this.outputBytes += bytes;
    const used = Math.ceil(this.outputBytes / mebibyte);
    if (used > outputMib) this.exceed({ limit: 'outputMib', allowed: outputMib, used });
  }

  private exceed(exceeded: Exceeded): void {
    if (this.exceeded) return;
    this.exceeded = exceeded;
    this.agent?.process.end(this.around.timings.forcedEndMs);
  }

  private onLogEnded(reason: unknown): void {
    if (reason instanceof StaleEpoch) this.lost.abort(reason);
    // What the agent does from now on nobody could see.
    this.agent?.process.end(0);
  }

  private async host(): Promise<void> {
    try {
      const end = await this.outcome();
      this.clock.stop();
      await this.leaveNobody();
      // Before the end, which would give a prompt that the agent has taken a turn of its own.
      await this.steering.settled();
      await this.saveHistory('reason' in end ? 'hand_over' : 'turn_end');
      const logRefusal = await this.writer.flush().catch((error: Error) => error);
      await this.desk.settled();
      await this.tools.settled('status' in end && end.status === 'completed');
      this.isEnding = true;
      await this.ending.tell(logRefusal ? logRefused(logRefusal) : end);
    } catch (error) {
      if (error instanceof StaleEpoch) this.log.info('the turn is no longer ours');
      else this.log.error({ err: error }, 'the end of the turn was not accepted');
    } finally {
      this.clock.stop();
      this.writer.stop(new StaleEpoch('The turn is over.'));
      await this.closeTools();
    }
  }

  private async outcome(): Promise<TurnEnd | HandOver> {
    try {
      const { stopReason, usage } = await this.run();
      const status = stopReason === 'cancelled' || this.stopWanted === 'cancel' ? 'cancelled' : 'completed';
      if (status === 'cancelled' && this.stopWanted === 'hand_over') return runnerStopped();
      return { status, stop_reason: stopReason, ...(usage && this.isReportable(usage) && { usage }) };
    } catch (error) {
      if (this.stopWanted === 'cancel') return { status: 'cancelled', stop_reason: 'cancelled' };
      if (this.stopWanted === 'hand_over') return runnerStopped();
      if (this.exceeded) return { status: 'failed', error: describeExceeded(this.exceeded) };
      const cause = await this.causeOf(error);
      const end = failedEnd(cause, this.agent?.process.stderrTail ?? '');
      // What refuses a beat would refuse it again, without end.
      const mayGoOn = hasLostContact(cause) && !this.isBeatRefused;
      return mayGoOn ? { reason: 'lost_contact', otherwise: end } : end;
    }
  }

  private isReportable(usage: Record<string, unknown>): boolean {
    if (isStorableValue(usage, maxUsageBytes)) return true;
    const message = `What the agent said it used was withheld: the api takes ${maxUsageBytes} bytes of well-formed text.`;
    this.writer.write('agent.notice', { code: 'usage_withheld', message });
    return false;
  }

  private async run(): Promise<PromptEnd> {
    const prepared = this.around.agents.prepare(this.grant);
    await this.before;
    const workplace = await this.around.folders.open(this.grant.session_id);
    this.refuseWhenStopped();
    const past = await this.bringHistory(prepared, workplace);
    this.refuseWhenStopped();

    await this.openTools();
    const { limits, watchdogPath, timings } = this.around;
    const onStderr = (bytes: number) => this.countOutput(bytes);
    const terms = { ...workplace, limits, watchdogPath, limitMs: timings.watchdogMs, onStderr };
    const agent = prepared.start(terms, this.client);
    this.agent = agent;
    this.clock.start();
    const gone = goneOf(agent);
    const opening = openSession(agent, workplace.cwd, past.sessionId, timings.agentStartMs);
    const sessionId = await Promise.race([opening, gone]);
    if (sessionId !== undefined) this.noteSession(sessionId);

    // The log shall say that the turn runs before it shows what the agent does with the prompt.
    this.isOpen = true;
    await Promise.race([this.around.beatNow(), gone]);
    this.refuseWhenStopped();

    this.isPrompted = true;
    const { prompt } = this.grant;
    const answer = agent.prompt(past.preamble === '' ? prompt : `${past.preamble}\n\n${prompt}`);
    this.steering.open({ agent, gone });
    return await Promise.race([answer, gone]).finally(() => this.steering.close());
  }

  private answerTo(request: PermissionRequest, withdrawn: AbortSignal): PermissionAnswer | Promise<PermissionAnswer> {
    const { approvals } = this.grant;
    if (approvals !== 'deny' && approvals !== 'bypass') return this.desk.ask(request, withdrawn);
    return standingAnswer(approvals, request, (notice) => this.writer.write('agent.notice', notice));
  }

  private get client(): AgentClient {
    return {
      tools: this.toolsSocket?.server,
      onOutput: (bytes) => this.countOutput(bytes),
      onSession: (sessionId) => {
        this.noteSession(sessionId);
        void this.around.beatNow();
      },
      onUpdate: (update) => this.writer.write('agent.update', update),
      onNotice: (notice) => this.writer.write('agent.notice', notice),
      room: () => this.writer.room(),
      onPermission: async (request, withdrawn) => this.answerTo(request, withdrawn),
    };
  }

  /** Before the agent starts: what it goes on with is then in its home. */
  private async bringHistory(prepared: PreparedAgent, workplace: Workplace): Promise<History> {
    const terms = {
      grant: this.grant,
      around: this.around,
      writer: this.writer,
      lost: this.lost.signal,
      log: this.log,
    };
    this.history = TurnHistory.of(terms, prepared, workplace);
    return await this.history.bring(AbortSignal.any([this.lost.signal, this.stopped.signal]));
  }

  private async saveHistory(point: 'hand_over' | 'turn_end'): Promise<void> {
    const { lastCaptureMs, hurriedCaptureMs } = this.around.timings;
    // Whoever wants it stopped has set a deadline for the end as well.
    await this.history?.end(point, this.stopWanted ? hurriedCaptureMs : lastCaptureMs);
  }

  /** An agent can do without them, and says more than a turn that fails. */
  private async openTools(): Promise<void> {
    const bridgePath = join(dirname(this.around.watchdogPath), 'tools', 'tools-bridge.js');
    try {
      this.toolsSocket = await ToolsSocket.open(bridgePath, this.tools, this.log);
    } catch (error) {
      this.log.error({ err: error }, 'an agent has no tools to work with others');
      const message = `The agent cannot start other agents: ${(error as Error).message}`;
      this.writer.write('agent.notice', { code: 'tools_unavailable', message: storableStart(message, 1_000) });
    }
  }

  private async closeTools(): Promise<void> {
    this.tools.stop();
    await this.toolsSocket?.close().catch((error: Error) => {
      this.log.warn({ err: error }, "the folder of an agent's tools could not be removed");
    });
  }

  private noteSession(sessionId: string): void {
    this.agentSessionId = sessionId;
    this.history?.follow(sessionId);
  }

  /** An agent that dies breaks its connection first: the exit is what the user must hear of. */
  private async causeOf(error: unknown): Promise<unknown> {
    if (isTold(error)) return error;
    if (!this.agent) return new TurnFailure('agent_start_failed', (error as Error).message);
    const isDead = this.agent.process.died.then(() => true);
    if (await Promise.race([isDead, delay(exitAfterBreakMs, false, { ref: false })])) {
      return new AgentGone(await this.agent.process.exited);
    }
    return new AgentProtocolError('The agent closed its connection while the turn was running.');
  }

  private refuseWhenStopped(): void {
    this.writer.ended.throwIfAborted();
    if (this.stopWanted !== undefined) throw new Error('The turn was stopped before its prompt.');
  }

  private async askToStop(): Promise<void> {
    const { cancelMs, forcedEndMs } = this.around.timings;
    const force = setTimeout(() => this.agent?.process.end(forcedEndMs), cancelMs);
    void this.agent?.process.exited.then(() => clearTimeout(force));
    // The agent may have gone or broken its stdin; then its exit ends the turn.
    await this.agent?.cancel().catch(() => undefined);
    this.desk.close();
  }

  /** All that the agent wrote is with the writer, and nobody else works for the session. */
  private async leaveNobody(): Promise<void> {
    this.desk.close();
    this.tools.stop();
    this.agent?.process.end(this.around.timings.orderlyEndMs);
    const exit = await this.agent?.process.exited;
    if (exit?.left === 0) this.around.folders.leave(this.grant.session_id);
    if (exit?.left) this.log.error({ left: exit.left }, 'processes of the agent could not be ended');
    await this.agent?.drained;
  }
}
