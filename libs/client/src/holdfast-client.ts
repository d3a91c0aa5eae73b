import { throwingFetch, wholeJsonFetch } from './api-fetch.js';
import { attendTurn, type AttendedTurn } from './attended-turn.js';
import { AgentsApi } from './generated/apis/AgentsApi.js';
import { ProjectApi } from './generated/apis/ProjectApi.js';
import { SessionInteractionsApi } from './generated/apis/SessionInteractionsApi.js';
import { SessionNativeTranscriptsApi } from './generated/apis/SessionNativeTranscriptsApi.js';
import { SessionParticipantsApi } from './generated/apis/SessionParticipantsApi.js';
import { SessionRunnersApi } from './generated/apis/SessionRunnersApi.js';
import { SessionSharesApi } from './generated/apis/SessionSharesApi.js';
import { SessionsApi } from './generated/apis/SessionsApi.js';
import { SessionStreamsApi } from './generated/apis/SessionStreamsApi.js';
import { SessionTasksApi } from './generated/apis/SessionTasksApi.js';
import { SessionTranscriptsApi } from './generated/apis/SessionTranscriptsApi.js';
import { TriggersApi } from './generated/apis/TriggersApi.js';
import type { SessionInteraction } from './generated/models/SessionInteraction.js';
import type { SessionInteractionRespond } from './generated/models/SessionInteractionRespond.js';
import type { SessionStreamInvoke } from './generated/models/SessionStreamInvoke.js';
import type { SessionStreamInvoked } from './generated/models/SessionStreamInvoked.js';
import type { SessionStreamKilled } from './generated/models/SessionStreamKilled.js';
import type { SessionTurn } from './generated/models/SessionTurn.js';
import { Configuration } from './generated/runtime.js';
import type { ConnectionOptions } from './keep-connected.js';
import type { LogSource } from './log-connection.js';
import {
  nativeFilesOf,
  readNativeContent,
  type NativeContent,
  type NativeContentSelector,
  type NativeFiles,
  type NativeSelector,
} from './native-content.js';
import { NativeSaves, type NativeBase, type NativeChange, type NativeSave, type NativeSaved } from './native-save.js';
import { retryCommand, type CommandOptions } from './retry.js';
import type { LoggedEvent, SessionEvent } from './session-event.js';
import { eventsForWatcher, eventsOfTurn } from './turn-events.js';
import { watchSessions, type WatchedEvent, type WatchedSession, type WatchOptions } from './session-watch.js';
import { followLog, readLog, type FollowOptions, type ReadOptions } from './session-log.js';
import { openWatch, type WatchNews, type WatchPlaces } from './watch-connection.js';

export type RunOptions = CommandOptions & ConnectionOptions;

export interface CallOptions {
  signal?: AbortSignal;
}

/** A prompt of somebody who stays to watch its turn. */
export type SessionPrompt = Omit<SessionStreamInvoke, 'detached' | 'start_within_ms' | 'if_not_started'> & {
  prompt: string;
};

export interface HoldfastClientOptions {
  /** Where the api answers, for example `http://127.0.0.1:4300`. */
  url: string;
  /**
   * A key of the project; for `runners` a runner's key, or the credential of a turn. A function is asked before every
   * request: a turn's credential is renewed while the turn runs.
   */
  apiKey: string | (() => string);
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
  /** The harnesses' own files of conversations. */
  readonly nativeTranscripts: SessionNativeTranscriptsApi;
  /** Trees of agents. */
  readonly tasks: SessionTasksApi;
  /** Who may look in without a key. */
  readonly shares: SessionSharesApi;
  /** Who looks in. */
  readonly participants: SessionParticipantsApi;
  readonly agents: AgentsApi;
  readonly project: ProjectApi;
  readonly triggers: TriggersApi;
  /** What runners call: with a runner's key to get and keep turns, with a turn's credential to write for one. */
  readonly runners: SessionRunnersApi;
  private readonly url: string;
  private readonly apiKey: () => string;
  private readonly send: typeof fetch;

  constructor(options: HoldfastClientOptions) {
    this.url = new URL(options.url).href.replace(/\/+$/, '');
    const { apiKey } = options;
    this.apiKey = typeof apiKey === 'string' ? () => apiKey : apiKey;
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
    this.nativeTranscripts = new SessionNativeTranscriptsApi(configuration);
    this.tasks = new SessionTasksApi(configuration);
    this.shares = new SessionSharesApi(configuration);
    this.participants = new SessionParticipantsApi(configuration);
    this.agents = new AgentsApi(configuration);
    this.project = new ProjectApi(configuration);
    this.triggers = new TriggersApi(configuration);
    this.runners = new SessionRunnersApi(configuration);
  }

  /**
   * With a `prompt`: sends it, with `force` steers. Without: cancels the live turn, with `force` attaches to it. Answers
   * with the turn as it is then: at once, or with `start_within_ms` or `if_not_started: 'withdraw'` when somebody runs it.
   * Sent again when no answer comes, and done once. Errors: session_in_use, no_live_turn, agent_not_found, inbox_full, project_at_capacity, not_started.
   */
  invoke(command: SessionStreamInvoke, options: CommandOptions = {}): Promise<SessionStreamInvoked> {
    // To withdraw at once what nobody could have taken yet is no command that anybody means.
    const answersAtOnce = command.prompt !== undefined && command.if_not_started !== 'withdraw';
    const waiting = answersAtOnce ? { start_within_ms: 0 } : {};
    return retryCommand(options, (key) =>
      this.streams.invokeSessionStream(
        { SessionStreamInvoke: { ...waiting, ...command, detached: true }, Idempotency_Key: key },
        { signal: options.signal },
      ),
    );
  }

  /**
   * Sends a prompt, or with `force` steers, and stays as the watcher of its turn until that ends, `leave` is called or
   * `signal` aborts; the turn then runs on. Its events are in the log. Sent again when no answer comes, and done once.
   * Errors: those of `invoke` but not_started; too_many_viewers.
   */
  attendTurn(command: SessionPrompt, options: CommandOptions = {}): Promise<AttendedTurn> {
    const invoke = this.log('/v1/sessions/streams/invoke');
    return retryCommand(options, (key) => attendTurn(invoke, command, key, options.signal));
  }

  /**
   * Attends a turn and gives its events until it ends, across restarts and failures like `followSession`. Who stops
   * reading leaves the turn running. Errors as of `attendTurn`, before the first event.
   */
  async *run(command: SessionPrompt, options: RunOptions = {}): AsyncGenerator<LoggedEvent, void, undefined> {
    const { invoked, leave } = await this.attendTurn(command, options);
    const { session_id, turn_id, offset } = invoked;
    try {
      yield* eventsOfTurn(turn_id, this.followSession(session_id, { ...options, offset }));
    } finally {
      leave();
    }
  }

  /**
   * Becomes the watcher of the live turn and gives its events, from its start, until it ends or another watcher attaches;
   * the one before is displaced at once. Who stops reading is detached. Errors: session_not_found, no_live_turn.
   */
  async *attach(session_id: string, options: RunOptions = {}): AsyncGenerator<LoggedEvent, void, undefined> {
    const { turn_id, offset, watcher_id } = await this.invoke({ session_id, force: true }, options);
    const events = this.followSession(session_id, { ...options, offset });
    try {
      yield* eventsForWatcher(watcher_id!, eventsOfTurn(turn_id, events));
    } finally {
      // Where that fails, it stays the watcher until the turn ends.
      await this.detach(session_id, watcher_id!).catch(() => undefined);
    }
  }

  /** Stops watching. Whether it watched until now: one that was displaced changes nothing. Errors: session_not_found. */
  async detach(session_id: string, watcher_id: string, { signal }: CallOptions = {}): Promise<boolean> {
    const { was_watching } = await retryCommand({ signal }, () =>
      this.streams.detachSessionStream({ SessionStreamDetach: { session_id, watcher_id } }, { signal }),
    );
    return was_watching;
  }

  /** Ends the live turn and what waits, whether its runner answers or not. Errors: session_not_found. */
  kill(session_id: string, { signal }: CallOptions = {}): Promise<SessionStreamKilled> {
    return retryCommand({ signal }, () =>
      this.streams.killSessionStream({ SessionStreamKill: { session_id } }, { signal }),
    );
  }

  /** The prompts that wait in a session, the next one first. Errors: session_not_found. */
  async *inbox(session_id: string, { signal }: CallOptions = {}): AsyncGenerator<SessionTurn, void, undefined> {
    for (let cursor: string | undefined; ;) {
      const page = await this.streams.querySessionInbox({ SessionInboxQuery: { session_id, cursor } }, { signal });
      yield* page.data;
      if (page.next_cursor === null) return;
      cursor = page.next_cursor;
    }
  }

  /** Gives the prompts that wait another order; all of them must be named. Errors: session_not_found, inbox_changed. */
  async reorderInbox(session_id: string, turn_ids: string[], { signal }: CallOptions = {}): Promise<void> {
    await retryCommand({ signal }, () =>
      this.streams.reorderSessionInbox({ SessionInboxReorder: { session_id, turn_ids } }, { signal }),
    );
  }

  /** Takes a prompt out that waits: its turn never runs. Errors: session_not_found, turn_not_found, not_in_inbox. */
  withdraw(session_id: string, turn_id: string, { signal }: CallOptions = {}): Promise<SessionTurn> {
    return retryCommand({ signal }, () =>
      this.streams.withdrawSessionInbox({ SessionInboxWithdraw: { session_id, turn_id } }, { signal }),
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
   * The events of up to 500 sessions on one connection, each from its `offset` on, then live; once and in order within
   * each session, in no order across them. Goes on like `followSession`. A session that cannot be watched (any more) is
   * told to `onProblem` (session_not_found, offset_gone, offset_beyond_tail), and the others go on. Ends when `signal`
   * aborts or no session is left. Throws HoldfastError when waiting would not help: request_invalid, unauthenticated.
   */
  watchSessions(
    sessions: readonly WatchedSession[],
    options: WatchOptions = {},
  ): AsyncGenerator<WatchedEvent, void, undefined> {
    return watchSessions(this.log(WATCH_PATH), sessions, options);
  }

  /**
   * What one connection of a watch brings, of sessions' logs and of tasks' activity, until it ends; nothing is retried.
   * `SessionViewer` and `TaskTreeViewer` go on from there. Errors: request_invalid, unauthenticated, share_ended,
   * too_many_viewers.
   */
  openWatch(places: WatchPlaces, { signal }: CallOptions = {}): AsyncGenerator<WatchNews, void, undefined> {
    return openWatch(this.log(WATCH_PATH), places, signal);
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
   * For owners of turns, under the turn's credential: appends events, each one JSON text, as batch `seq` (0, 1, … per
   * epoch) of the turn. A repeated seq is taken once. Nothing is retried. Errors: stale_epoch, credential_scope,
   * producer_sequence_gap.
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

  /**
   * Saves what is new of a conversation's native files, and nothing else of it. Sent again when no answer comes. Undefined
   * when nothing is new. Errors: version_conflict (read the base again), stale_epoch, session_in_use (a push while a turn
   * is live), transcript_too_large, native_part_refused.
   */
  saveNative(
    save: NativeSave,
    changes: Iterable<NativeChange>,
    { signal }: CallOptions = {},
  ): Promise<NativeSaved | undefined> {
    return this.nativeSaves().save(save, changes, signal);
  }

  /** What a next save of a conversation builds on; undefined when nothing is stored. Errors: harness_mismatch. */
  fetchNativeBase(selector: NativeSelector, { signal }: CallOptions = {}): Promise<NativeBase | undefined> {
    return this.nativeSaves().base(selector, signal);
  }

  /**
   * The files of a version, streamed. Errors: resume_state_missing, harness_mismatch, conversation_load_failed; reading
   * them throws HoldfastConnectionError where they end too soon.
   */
  async readNativeFiles(selector: NativeSelector, options: CallOptions = {}): Promise<NativeFiles> {
    return nativeFilesOf(await this.readNativeContent({ ...selector, as: 'tar' }, options));
  }

  /** A version as an archive or an envelope, streamed. Errors as of `readNativeFiles`. */
  readNativeContent(selector: NativeContentSelector, { signal }: CallOptions = {}): Promise<NativeContent> {
    return readNativeContent(this.log(`${NATIVE_PATH}/content`), selector, signal);
  }

  private nativeSaves(): NativeSaves {
    return new NativeSaves(this.nativeTranscripts, this.log(`${NATIVE_PATH}/saves`));
  }

  private log(path: string): LogSource {
    const { apiKey } = this;
    return {
      url: this.url + path,
      get headers() {
        return { Authorization: `Bearer ${apiKey()}` };
      },
      fetch: this.send,
    };
  }
}

const WATCH_PATH = '/v1/sessions/streams/watch';
const NATIVE_PATH = '/v1/admin/sessions/transcripts/native';

function sessionLogPath(session_id: string): string {
  return `/v1/stream/sessions/${encodeURIComponent(session_id)}/events`;
}
