import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { AgentsReader } from '@holdfast/agents';
import { SigningKeys } from '@holdfast/durable-streams';
import { TurnCredentials } from '@holdfast/platform-auth';
import { SessionFences, UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { currentTraceparent } from '@holdfast/platform-telemetry';
import {
  SessionTurnsRepository,
  StreamsConfig,
  TurnBeatsService,
  TurnClaimsService,
  TurnLeasesRepository,
  type ClaimedTurn,
  type TurnEnd,
  type TurnRow,
} from '@holdfast/sessions-streams';
import { PushClient } from '../push/push-client.js';
import { pushHeaders, pushRequest, signedContent, type PushAttempt } from '../push/push-request.js';
import { PushConfig } from '../push/push.config.js';
import { cancelledBecause, EndTurnFlow } from './end-turn.flow.js';

/** Calls that one process makes for one project at a time: what a slow service of one may take from the others. */
const MAX_CALLS_OF_PROJECT = 64;

type QueuedTurn = SessionKey & { turn_id: string };

/**
 * What came of it. `passed`: the turn is not, or no longer, to be started, or is being started. `busy`: others of its
 * project come first, and it follows by itself, or when its job comes again.
 */
export type PushOutcome = 'accepted' | 'not_started' | 'passed' | 'busy';

/**
 * Starts a turn at the service that its agent names. Only workers do: the api calls nobody.
 *
 * The claim and the mark on the job commit together, and only a turn in line can be claimed. So a job that comes twice
 * starts nothing twice, and whoever dies after the claim leaves a lease that runs out: the sweep puts the turn in line
 * again, with a job of its own, for an attempt under a new epoch.
 */
@Injectable()
export class StartPushTurnFlow implements BeforeApplicationShutdown {
  private readonly logger = new Logger(StartPushTurnFlow.name);
  /** By project, the turns that this process is starting. */
  private readonly calls = new Map<string, Set<string>>();
  /** Projects with turns that it did not start because they had too many. */
  private readonly turnedAway = new Set<string>();
  private isStopping = false;

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly claims: TurnClaimsService,
    private readonly leases: TurnLeasesRepository,
    private readonly turns: SessionTurnsRepository,
    private readonly beats: TurnBeatsService,
    private readonly endTurn: EndTurnFlow,
    private readonly agents: AgentsReader,
    private readonly credentials: TurnCredentials,
    private readonly keys: SigningKeys,
    private readonly client: PushClient,
    private readonly streams: StreamsConfig,
    private readonly config: PushConfig,
  ) {}

  /** `finish` marks the job as done, in the transaction of the claim. */
  async run(turn: QueuedTurn, finish: (tx: Transaction) => Promise<unknown>): Promise<PushOutcome> {
    const { project_id } = turn;
    const inHand = this.inHand(project_id);
    if (inHand.has(turn.turn_id)) return 'passed';
    if (inHand.size >= MAX_CALLS_OF_PROJECT) {
      this.turnedAway.add(project_id);
      return 'busy';
    }
    const outcome = await this.startOne(turn, finish);
    await this.startTurnedAway(project_id);
    return outcome;
  }

  /** What is in line stays there, and another process is told of it when its job comes again. */
  beforeApplicationShutdown(): void {
    this.isStopping = true;
  }

  /** Goes on with what was turned away, for as long as there is any: its jobs come again late only. */
  private async startTurnedAway(project_id: string): Promise<void> {
    const passed: string[] = [];
    while (this.turnedAway.has(project_id) && !this.isStopping) {
      const next = await this.leases.queuedPush(project_id, [...passed, ...this.inHand(project_id)]);
      if (!next) this.turnedAway.delete(project_id);
      else if ((await this.startOne(next, async () => undefined)) === 'passed') passed.push(next.turn_id);
    }
  }

  private async startOne(turn: QueuedTurn, finish: (tx: Transaction) => Promise<unknown>): Promise<PushOutcome> {
    const inHand = this.inHand(turn.project_id);
    this.calls.set(turn.project_id, inHand.add(turn.turn_id));
    try {
      const claimed = await this.claim(turn, finish);
      return claimed ? await this.start(claimed) : 'passed';
    } finally {
      inHand.delete(turn.turn_id);
      if (!inHand.size) this.calls.delete(turn.project_id);
    }
  }

  private inHand(project_id: string): Set<string> {
    return this.calls.get(project_id) ?? new Set();
  }

  private claim(turn: QueuedTurn, finish: (tx: Transaction) => Promise<unknown>): Promise<ClaimedTurn | undefined> {
    return this.unitOfWork.run(async (tx) => {
      // Waits for whoever is at work on the session: to be passed over would cost the turn a whole round.
      await this.fences.lock(tx, turn);
      const claimed = await this.claims.claimForPush(tx, turn);
      await finish(tx);
      return claimed;
    });
  }

  private async start(claimed: ClaimedTurn): Promise<PushOutcome> {
    const refusal = await this.call(claimed);
    const outcome = refusal === undefined ? await this.accepted(claimed) : await this.notStarted(claimed, refusal);
    const { session_id, turn_id } = claimed.turn;
    this.logger.log({ event: `push.${outcome}`, session_id, turn_id, epoch: claimed.epoch, reason: refusal });
    return outcome;
  }

  private async call(claimed: ClaimedTurn): Promise<string | undefined> {
    const { project_id, session_id, turn_id, agent_name, agent_revision, push_url } = claimed.turn;
    const { epoch } = claimed;
    const agent = await this.agents.fetchRevision(project_id, { name: agent_name, revision: agent_revision });
    const credential = await this.credentials.mint({ project_id, key_id: turn_id, session_id, turn_id, epoch });
    const body = Buffer.from(JSON.stringify(pushRequest(claimed, agent, credential, this.streams)));
    return this.client.call({
      url: push_url!,
      turn_id,
      headers: await this.headers({ turn_id, epoch }, body),
      body,
      // So that whoever accepts late has time for a first beat.
      deadlineMs: Math.min(this.config.acceptSeconds, this.streams.leaseSeconds / 2) * 1000,
    });
  }

  private async headers(attempt: PushAttempt, body: Buffer): Promise<Record<string, string>> {
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = await this.keys.sign(signedContent(attempt, timestamp, body));
    return pushHeaders(attempt, { timestamp, signature }, currentTraceparent());
  }

  /** The service's first beat, said for it: it has a whole lease for the next. */
  private async accepted({ turn, epoch }: ClaimedTurn): Promise<PushOutcome> {
    const { project_id, session_id, turn_id } = turn;
    const owner = { project_id, replica_id: turn_id, key_id: turn_id };
    const [said] = await this.beats.beat(owner, [{ session_id, turn_id, epoch, status: 'running' }]);
    // It may have been withdrawn meanwhile: its service learns so from its own first beat.
    return said!.is_current ? 'accepted' : 'passed';
  }

  /** Ends the turn under another epoch, so that a service which took it all the same can write nothing. */
  private notStarted({ turn, epoch }: ClaimedTurn, refusal: string): Promise<PushOutcome> {
    return this.unitOfWork.run(async (tx) => {
      await this.fences.lock(tx, turn);
      const current = await this.turns.lockTurn(tx, turn);
      if (current?.epoch !== epoch) return 'passed';
      // The service runs it and has said so, or has ended it: then its frame got lost, not the turn.
      if (current.status !== 'starting' && current.status !== 'stopping') return 'accepted';
      await this.endTurn.byForce(
        tx,
        current,
        current.status === 'stopping' ? stoppedEnd(current) : refusedEnd(refusal),
      );
      return 'not_started';
    });
  }
}

const stoppedEnd = ({ stop_status }: TurnRow) => cancelledBecause(stop_status ?? 'cancelled');

const refusedEnd = (refusal: string): TurnEnd => ({
  status: 'failed',
  stop_reason: null,
  usage: null,
  error: { code: 'not_started', message: `The service of this agent ${refusal}.` },
});
