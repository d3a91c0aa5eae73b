import { setImmediate as nextLoopTurn, setTimeout as delay } from 'node:timers/promises';
import type { SessionTurnBeat, SessionTurnGrant } from '@holdfast/client';
import type { Logger } from 'pino';
import { AgentConnection, AgentProtocolError, type PromptEnd } from './agent-connection.js';
import { describeExceeded, type Exceeded } from './agent-limits.js';
import { AgentProcess } from './agent-process.js';
import { untilAvailable } from './backoff.js';
import { ControlPlaneRefusal, StaleEpoch, type ControlCommand, type TurnEnd, type TurnKey } from './control-plane.js';
import { EventWriter } from './event-writer.js';
import { PermissionDesk } from './permission-desk.js';
import { SteeringDesk } from './steering-desk.js';
import { isStorableValue, storableStart } from './storable.js';
import { TurnClock } from './turn-clock.js';
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

/** A turn that another runner shall go on with, and its end when the api does not take it back. */
interface HandOver {
  reason: 'runner_stopped' | 'lost_contact';
  otherwise: TurnEnd;
}

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
  /** Aborts when the turn is not this runner's any more. */
  private readonly lost = new AbortController();
  private agent: AgentProcess | undefined;
  private connection: AgentConnection | undefined;
  private agentSessionId: string | undefined;
  private isPrompted = false;
  private isEnding = false;
  private isBeatRefused = false;
  private stopWanted: StopReason | undefined;
  private outputBytes = 0;
  private exceeded: Exceeded | undefined;

  constructor(
    private readonly grant: SessionTurnGrant,
    private readonly around: TurnSurroundings,
    /** Settles when nobody works in the session's folder any more. */
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
    this.writer.ended.addEventListener('abort', () => this.onLogEnded(this.writer.ended.reason), { once: true });
    this.finished = this.host();
  }

  /** This turn's line of a beat. */
  get beat(): SessionTurnBeat {
    const line = { ...this.key, sandbox_live: this.agent?.isLive ?? false };
    if (this.agentSessionId === undefined) return { ...line, status: 'starting' };
    return { ...line, status: 'running', agent_session_id: this.agentSessionId };
  }

  /** A beat succeeded: the agent may live for `ms` from now. */
  extend(ms: number): void {
    this.isBeatRefused = false;
    this.agent?.extend(ms);
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
    if (this.isPrompted) void this.askToStop();
    else this.agent?.end(this.around.timings.forcedEndMs);
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
    this.agent?.end(this.around.timings.forcedEndMs);
  }

  private onLogEnded(reason: unknown): void {
    if (reason instanceof StaleEpoch) this.lost.abort(reason);
    // What the agent does from now on nobody could see.
    this.agent?.end(0);
  }

  private async host(): Promise<void> {
    try {
      const end = await this.outcome();
      this.clock.stop();
      await this.leaveNobody();
      // Before the end, which would give a prompt that the agent has taken a turn of its own.
      await this.steering.settled();
      const logRefusal = await this.writer.flush().catch((error: Error) => error);
      await this.desk.settled();
      this.isEnding = true;
      if (logRefusal) await this.report(logRefused(logRefusal));
      else if ('reason' in end) await this.handOver(end);
      else await this.report(end);
    } catch (error) {
      if (error instanceof StaleEpoch) this.log.info('the turn is no longer ours');
      else this.log.error({ err: error }, 'the end of the turn was not accepted');
    } finally {
      this.clock.stop();
      this.writer.stop(new StaleEpoch('The turn is over.'));
    }
  }

  private async report(end: TurnEnd): Promise<void> {
    try {
      await this.complete(end);
    } catch (error) {
      if (!(error instanceof ControlPlaneRefusal)) throw error;
      this.log.error({ err: error, status: end.status }, 'the end of the turn was refused');
      // Without any end it would be taken for lost, and done again.
      await this.complete(endRefused());
    }
  }

  private async complete(end: TurnEnd): Promise<void> {
    await untilAvailable(() => this.around.plane.complete({ ...this.key, ...end }), this.lost.signal);
    this.log.info({ status: end.status, stop_reason: end.stop_reason, code: end.error?.code }, 'turn ended');
  }

  /** Without an answer of the api for as long as the turn is this runner's: nobody else could go on with it. */
  private async handOver({ reason, otherwise }: HandOver): Promise<void> {
    try {
      await untilAvailable(() => this.around.plane.handOver(this.key, reason), this.lost.signal);
      this.log.info({ reason }, 'turn handed over');
    } catch (error) {
      if (!(error instanceof ControlPlaneRefusal)) throw error;
      this.log.warn({ err: error }, 'the turn could not be handed over');
      await this.report(otherwise);
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
      const end = failedEnd(cause, this.agent?.stderrTail ?? '');
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
    const launch = this.around.agents.find(this.grant);
    await this.before;
    const folder = await this.around.folders.open(this.grant.session_id);
    this.refuseWhenStopped();

    const agent = new AgentProcess(launch, {
      cwd: folder,
      limitMs: this.around.timings.watchdogMs,
      limits: this.around.limits,
      watchdogPath: this.around.watchdogPath,
      onStderr: (bytes) => this.countOutput(bytes),
    });
    this.agent = agent;
    this.clock.start();
    const connection = new AgentConnection(agent, {
      onOutput: (bytes) => this.countOutput(bytes),
      onUpdate: (update) => this.writer.write('agent.update', update),
      room: () => this.writer.room(),
      onPermission: (request, withdrawn) => this.desk.ask(request, withdrawn),
    });
    this.connection = connection;
    const gone = this.goneOf(agent, connection);
    const agentSessionId = await Promise.race([this.openSession(connection, folder), gone]);

    // The log shall say that the turn runs before it shows what the agent does with the prompt.
    this.agentSessionId = agentSessionId;
    await Promise.race([this.around.beatNow(), gone]);
    this.refuseWhenStopped();

    this.isPrompted = true;
    const answer = connection.prompt(agentSessionId, this.grant.prompt);
    this.steering.open({ connection, agentSessionId, gone });
    return await Promise.race([answer, gone]).finally(() => this.steering.close());
  }

  /** Rejects when the agent has ended and all that it said before has been heard. */
  private goneOf(agent: AgentProcess, connection: AgentConnection): Promise<never> {
    const gone = agent.exited.then(async (exit): Promise<never> => {
      await connection.drained;
      await nextLoopTurn();
      throw new AgentGone(exit);
    });
    // It is waited for only while the turn runs.
    gone.catch(() => undefined);
    return gone;
  }

  /** An agent that dies breaks its connection first: the exit is what the user must hear of. */
  private async causeOf(error: unknown): Promise<unknown> {
    if (isTold(error)) return error;
    if (!this.agent) return new TurnFailure('agent_start_failed', (error as Error).message);
    const isDead = this.agent.died.then(() => true);
    if (await Promise.race([isDead, delay(exitAfterBreakMs, false, { ref: false })])) {
      return new AgentGone(await this.agent.exited);
    }
    return new AgentProtocolError('The agent closed its connection while the turn was running.');
  }

  private async openSession(connection: AgentConnection, folder: string): Promise<string> {
    const { agentStartMs } = this.around.timings;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      const message = `The agent did not open a session within ${agentStartMs / 1000} s.`;
      timer = setTimeout(() => reject(new TurnFailure('agent_start_timeout', message)), agentStartMs);
    });
    const opening = connection
      .initialize()
      .then(() => connection.openSession(folder, this.grant.resume_agent_session_id));
    return await Promise.race([opening, tooLate]).finally(() => clearTimeout(timer));
  }

  private refuseWhenStopped(): void {
    this.writer.ended.throwIfAborted();
    if (this.stopWanted !== undefined) throw new Error('The turn was stopped before its prompt.');
  }

  private async askToStop(): Promise<void> {
    const { cancelMs, forcedEndMs } = this.around.timings;
    const force = setTimeout(() => this.agent?.end(forcedEndMs), cancelMs);
    void this.agent?.exited.then(() => clearTimeout(force));
    // The agent may have gone or broken its stdin; then its exit ends the turn.
    await this.connection?.cancel(this.agentSessionId as string).catch(() => undefined);
    this.desk.close();
  }

  /** All that the agent wrote is with the writer, and the session's files have no other user. */
  private async leaveNobody(): Promise<void> {
    this.desk.close();
    this.agent?.end(this.around.timings.orderlyEndMs);
    const exit = await this.agent?.exited;
    if (exit?.left === 0) this.around.folders.leave(this.grant.session_id);
    if (exit?.left) this.log.error({ left: exit.left }, 'processes of the agent could not be ended');
    await this.connection?.drained;
  }
}

function logRefused(refusal: Error): TurnEnd {
  return {
    status: 'failed',
    error: {
      code: 'log_write_refused',
      message: storableStart(`The session's log did not take the agent's output: ${refusal.message}`, 4_000),
    },
  };
}

function runnerStopped(): HandOver {
  const error = { code: 'runner_stopped', message: 'The runner that hosted this turn was stopped.' };
  return { reason: 'runner_stopped', otherwise: { status: 'failed', error } };
}

function endRefused(): TurnEnd {
  const message = "The api refused how the turn ended; the runner's log says why. What the agent did is in the log.";
  return { status: 'failed', error: { code: 'end_refused', message } };
}
