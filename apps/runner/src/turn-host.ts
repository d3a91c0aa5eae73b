import { setImmediate as nextLoopTurn, setTimeout as delay } from 'node:timers/promises';
import type { SessionTurnBeat, SessionTurnGrant } from '@holdfast/client';
import type { Logger } from 'pino';
import { AgentConnection, AgentProtocolError, type PromptEnd } from './agent-connection.js';
import { AgentProcess } from './agent-process.js';
import { untilAvailable } from './backoff.js';
import { StaleEpoch, type ControlCommand, type TurnEnd, type TurnKey } from './control-plane.js';
import { EventWriter } from './event-writer.js';
import { PermissionDesk } from './permission-desk.js';
import { AgentGone, failedEnd, isTold, TurnFailure } from './turn-failure.js';
import type { TurnSurroundings } from './turn-surroundings.js';

/** How long after its connection broke an agent may take to be seen as dead. */
const exitAfterBreakMs = 1_000;

/** Hosts one turn: runs its agent from the grant to the accepted end. */
export class TurnHost {
  readonly key: TurnKey;
  /** Settles when the turn needs nothing more of this runner; never rejects. */
  readonly finished: Promise<void>;

  private readonly log: Logger;
  private readonly writer: EventWriter;
  private readonly desk: PermissionDesk;
  /** Aborts when the turn is not this runner's any more. */
  private readonly lost = new AbortController();
  private agent: AgentProcess | undefined;
  private connection: AgentConnection | undefined;
  private agentSessionId: string | undefined;
  private isPrompted = false;
  private isEnding = false;
  private stopWanted: 'cancel' | 'runner_stopped' | undefined;

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
    this.desk = new PermissionDesk(this.key, around.plane, this.writer, this.lost.signal, this.log);
    this.writer.ended.addEventListener('abort', () => this.onLogEnded(this.writer.ended.reason), { once: true });
    this.finished = this.host();
  }

  /** This turn's line of a beat. */
  get beat(): SessionTurnBeat {
    if (this.agentSessionId === undefined) return { ...this.key, status: 'starting' };
    return { ...this.key, status: 'running', agent_session_id: this.agentSessionId };
  }

  /** A beat succeeded: the agent may live for `ms` from now. */
  extend(ms: number): void {
    this.agent?.extend(ms);
  }

  /** The turn is not this runner's any more: the agent ends at once, and nothing more is written for it. */
  lose(): void {
    // The end is on its way; it is fenced itself, and may be what made the turn not current.
    if (this.isEnding) return;
    this.writer.stop(new StaleEpoch('The turn has another owner, or none.'));
  }

  /** Obeying a command again changes nothing: the control log may repeat itself. */
  obey(command: ControlCommand): void {
    if (command.epoch !== this.key.epoch) return;
    if (command.type === 'answer') this.desk.answer(command.interaction_id, command.verdict.decision);
    else this.stop('cancel');
  }

  /** Ends the turn before its time: by the agent itself if it can, else by force. */
  stop(reason: 'cancel' | 'runner_stopped'): void {
    if (this.stopWanted !== undefined) return;
    this.stopWanted = reason;
    if (this.isPrompted) void this.askToStop();
    else this.agent?.end(this.around.timings.forcedEndMs);
  }

  private onLogEnded(reason: unknown): void {
    if (reason instanceof StaleEpoch) this.lost.abort(reason);
    // What the agent does from now on nobody could see.
    this.agent?.end(0);
  }

  private async host(): Promise<void> {
    try {
      const end = await this.outcome();
      await this.leaveNobody();
      const logRefusal = await this.writer.flush().catch((error: Error) => error);
      await this.desk.settled();
      this.isEnding = true;
      await this.report(logRefusal ? logRefused(logRefusal) : end);
    } catch (error) {
      if (error instanceof StaleEpoch) this.log.info('the turn is no longer ours');
      else this.log.error({ err: error }, 'the end of the turn was not accepted');
    } finally {
      this.writer.stop(new StaleEpoch('The turn is over.'));
    }
  }

  private async report(end: TurnEnd): Promise<void> {
    await untilAvailable(() => this.around.plane.complete({ ...this.key, ...end }), this.lost.signal);
    this.log.info({ status: end.status, stop_reason: end.stop_reason, code: end.error?.code }, 'turn ended');
  }

  private async outcome(): Promise<TurnEnd> {
    try {
      const { stopReason, usage } = await this.run();
      const status = stopReason === 'cancelled' || this.stopWanted === 'cancel' ? 'cancelled' : 'completed';
      if (status === 'cancelled' && this.stopWanted === 'runner_stopped') return runnerStopped();
      return { status, stop_reason: stopReason, ...(usage && { usage }) };
    } catch (error) {
      if (this.stopWanted === 'cancel') return { status: 'cancelled', stop_reason: 'cancelled' };
      if (this.stopWanted === 'runner_stopped') return runnerStopped();
      const cause = await this.causeOf(error);
      return failedEnd(cause, this.agent?.stderrTail ?? '');
    }
  }

  private async run(): Promise<PromptEnd> {
    const launch = this.around.agents.find(this.grant);
    await this.before;
    const folder = await this.around.folders.open(this.grant.session_id);
    this.refuseWhenStopped();

    const agent = new AgentProcess(launch, folder, this.around.timings.watchdogMs, this.around.watchdogPath);
    this.agent = agent;
    const connection = new AgentConnection(agent, {
      onUpdate: (update) => this.writer.write('agent.update', update),
      room: () => this.writer.room(),
      onPermission: (request, withdrawn) => this.desk.ask(request, withdrawn),
    });
    this.connection = connection;
    const gone = this.gone(agent, connection);
    const agentSessionId = await Promise.race([this.openSession(connection, folder), gone]);

    // The log shall say that the turn runs before it shows what the agent does with the prompt.
    this.agentSessionId = agentSessionId;
    await Promise.race([this.around.beatNow(), gone]);
    this.refuseWhenStopped();

    this.isPrompted = true;
    return await Promise.race([connection.prompt(agentSessionId, this.grant.prompt), gone]);
  }

  /** Rejects when the agent has ended and all that it said before has been heard. */
  private gone(agent: AgentProcess, connection: AgentConnection): Promise<never> {
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
    const exit = await Promise.race([this.agent.exited, delay(exitAfterBreakMs, undefined, { ref: false })]);
    if (exit) return new AgentGone(exit);
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
    if (this.stopWanted !== undefined)
      throw new TurnFailure(this.stopWanted, 'The turn was stopped before its prompt.');
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
    await this.agent?.exited;
    await this.connection?.drained;
  }
}

function logRefused(refusal: Error): TurnEnd {
  return {
    status: 'failed',
    error: {
      code: 'log_write_refused',
      message: `The session's log did not take the agent's output: ${refusal.message}`,
    },
  };
}

function runnerStopped(): TurnEnd {
  return {
    status: 'failed',
    error: { code: 'runner_stopped', message: 'The runner that hosted this turn was stopped.' },
  };
}
