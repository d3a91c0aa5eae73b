import { throwingFetch, wholeJsonFetch } from './api-fetch.js';
import { AgentsApi } from './generated/apis/AgentsApi.js';
import { SessionInteractionsApi } from './generated/apis/SessionInteractionsApi.js';
import { SessionRunnersApi } from './generated/apis/SessionRunnersApi.js';
import { SessionsApi } from './generated/apis/SessionsApi.js';
import { SessionStreamsApi } from './generated/apis/SessionStreamsApi.js';
import { SessionTranscriptsApi } from './generated/apis/SessionTranscriptsApi.js';
import type { SessionInteraction } from './generated/models/SessionInteraction.js';
import type { SessionInteractionRespond } from './generated/models/SessionInteractionRespond.js';
import type { SessionStreamInvoke } from './generated/models/SessionStreamInvoke.js';
import type { SessionStreamInvoked } from './generated/models/SessionStreamInvoked.js';
import { Configuration } from './generated/runtime.js';
import type { LogSource } from './log-connection.js';
import { retryCommand, type CommandOptions } from './retry.js';
import type { LoggedEvent, SessionEvent } from './session-event.js';
import { watchSessions, type WatchedEvent, type WatchedSession, type WatchOptions } from './session-watch.js';
import { followLog, readLog, type FollowOptions, type ReadOptions } from './session-log.js';

export interface HoldfastClientOptions {
  /** Where the api answers, for example `http://127.0.0.1:4300`. */
  url: string;
  /** A key of the project; a runner's key for `runners`. */
  apiKey: string;
  /** For proxies and tests. */
  fetch?: typeof fetch;
}

/**
 * One project of a Holdfast api. The generated operations are grouped by domain; every call throws HoldfastError or
 * HoldfastConnectionError.
 */
export class HoldfastClient {
  readonly sessions: SessionsApi;
  readonly streams: SessionStreamsApi;
  readonly interactions: SessionInteractionsApi;
  readonly transcripts: SessionTranscriptsApi;
  readonly agents: AgentsApi;
  /** What runners call; needs a runner's key. */
  readonly runners: SessionRunnersApi;
  private readonly url: string;
  private readonly apiKey: string;
  private readonly send: typeof fetch;

  constructor(options: HoldfastClientOptions) {
    this.url = new URL(options.url).href.replace(/\/+$/, '');
    this.apiKey = options.apiKey;
    this.send = throwingFetch(options.fetch ?? ((input, init) => fetch(input, init)));
    const configuration = new Configuration({
      basePath: this.url,
      accessToken: this.apiKey,
      fetchApi: wholeJsonFetch(this.send),
      // Otherwise the generated code hides every error in one of its own.
      middleware: [{ onError: ({ error }) => Promise.reject(error) }],
    });
    this.sessions = new SessionsApi(configuration);
    this.streams = new SessionStreamsApi(configuration);
    this.interactions = new SessionInteractionsApi(configuration);
    this.transcripts = new SessionTranscriptsApi(configuration);
    this.agents = new AgentsApi(configuration);
    this.runners = new SessionRunnersApi(configuration);
  }

  /**
   * Starts a turn with `prompt`, cancels the live one without. Sent again when no answer comes, and done once.
   * Errors: session_in_use, no_live_turn, agent_not_found.
   */
  invoke(command: SessionStreamInvoke, options: CommandOptions = {}): Promise<SessionStreamInvoked> {
    return retryCommand(options, (key) =>
      this.streams.invokeSessionStream(
        { SessionStreamInvoke: command, Idempotency_Key: key },
        { signal: options.signal },
      ),
    );
  }

  /**
   * Answers an agent's question. Sent again when no answer comes, and done once. Of many who answer one wins.
   * Errors: interaction_not_found, interaction_already_answered, interaction_closed, decision_not_offered.
   */
  respond(
    interaction_id: string,
    answer: SessionInteractionRespond,
    options: CommandOptions = {},
  ): Promise<SessionInteraction> {
    return retryCommand(options, (key) =>
      this.interactions.respondSessionInteraction(
        { interaction_id, SessionInteractionRespond: answer, Idempotency_Key: key },
        { signal: options.signal },
      ),
    );
  }

  /**
   * The session's events from `offset` on, then live, once and in order: restarts of the api and failures of the network
   * only delay them. Ends when `signal` aborts. Throws HoldfastError when waiting would not help: stream_not_found,
   * unauthenticated, offset_gone.
   */
  followSession(session_id: string, options: FollowOptions = {}): AsyncGenerator<LoggedEvent, void, undefined> {
    return this.followLog<SessionEvent>(sessionLogPath(session_id), options);
  }

  /**
   * The events of up to 200 sessions on one connection, each from its `offset` on, then live; once and in order within
   * each session, in no order across them. Goes on like `followSession`. A session that cannot be watched (any more) is
   * told to `onProblem` (session_not_found, offset_gone, offset_beyond_tail), and the others go on. Ends when `signal`
   * aborts or no session is left. Throws HoldfastError when waiting would not help: request_invalid, unauthenticated.
   */
  watchSessions(
    sessions: readonly WatchedSession[],
    options: WatchOptions = {},
  ): AsyncGenerator<WatchedEvent, void, undefined> {
    return watchSessions(this.log('/v1/sessions/streams/watch'), sessions, options);
  }

  /** The session's events from `offset` to where its log ends now. Errors as for every call; nothing is retried. */
  readSession(session_id: string, options: ReadOptions = {}): AsyncGenerator<LoggedEvent, void, undefined> {
    return readLog(this.log(sessionLogPath(session_id)), options);
  }

  /** For runners, whose control log is at `control_path`: as `followSession`, but for the log at any path. */
  followLog<Message>(
    log_path: string,
    options: FollowOptions = {},
  ): AsyncGenerator<LoggedEvent<Message>, void, undefined> {
    return followLog(this.log(log_path), options);
  }

  /**
   * For runners: appends events, each one JSON text, as batch `seq` (0, 1, … per epoch) of the turn that owns the log. A
   * repeated seq is taken once. Nothing is retried. Errors: stale_epoch, producer_sequence_gap.
   */
  async appendEvents(
    log_path: string,
    { epoch, seq, events }: { epoch: number; seq: number; events: readonly string[] },
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    const { url, headers, fetch } = this.log(log_path);
    await fetch(url, {
      method: 'POST',
      body: `[${events.join(',')}]`,
      headers: {
        ...headers,
        'Content-Type': 'application/json',
        'Producer-Id': 'runner',
        'Producer-Epoch': String(epoch),
        'Producer-Seq': String(seq),
      },
      signal: options.signal,
    });
  }

  private log(path: string): LogSource {
    return { url: this.url + path, headers: { Authorization: `Bearer ${this.apiKey}` }, fetch: this.send };
  }
}

function sessionLogPath(session_id: string): string {
  return `/v1/stream/sessions/${encodeURIComponent(session_id)}/events`;
}
