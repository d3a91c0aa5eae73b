import type { SessionEvent } from '@holdfast/sessions-streams';
import { replayTurns } from '@holdfast/testing';
import type { Processes } from './processes.js';
import type { SessionState } from './state.js';

const OWNED = ['starting', 'running', 'stopping'];

/** What one run has seen so far that may never change again. */
export class Memory {
  private readonly epochs = new Map<string, number>();
  private readonly owners = new Map<string, string>();
  private readonly finals = new Map<string, string>();
  private readonly states = new Map<string, string>();

  /** False when nothing of the session has changed since it was asked last. */
  isNew(state: SessionState): boolean {
    const { session_id } = state.session;
    const text = JSON.stringify(state);
    const isNew = this.states.get(session_id) !== text;
    this.states.set(session_id, text);
    return isNew;
  }

  /** A grant: of each epoch of a session there is one owner, ever. */
  owner(session_id: string, epoch: number, owner: string): void {
    const attempt = `${session_id} under epoch ${epoch}`;
    expect([attempt, this.owners.get(attempt) ?? owner]).toEqual([attempt, owner]);
    this.owners.set(attempt, owner);
  }

  /** Epochs only grow, and what has ended stays as it ended. */
  check({ session, epoch, turns }: SessionState): void {
    expect(epoch).toBeGreaterThanOrEqual(this.epochs.get(session.session_id) ?? 0);
    this.epochs.set(session.session_id, epoch);
    for (const { turn_id, status, ended_at } of turns) {
      expect([turn_id, this.finals.get(turn_id) ?? status]).toEqual([turn_id, status]);
      if (ended_at) this.finals.set(turn_id, status);
    }
  }
}

/** Rows agree with each other: a live turn is in line or has an owner, and whatever waits has something to wait for. */
export function checkRows({ stream, live, inbox, turns, epoch, hasSlot }: SessionState): void {
  const isOwned = live !== undefined && OWNED.includes(live.status);
  expect({
    current_turn_id: stream.current_turn_id,
    owner: stream.owner_replica_id,
    hasLease: stream.lease_until !== null,
    waiting: live ? [] : inbox.map(({ turn_id }) => turn_id),
    slotOfNoTurn: hasSlot && !live,
    toReplace: inbox.filter(({ delivery }) => delivery === 'steer').length > 1,
  }).toEqual({
    current_turn_id: live?.turn_id ?? null,
    owner: isOwned ? live.replica_id : null,
    hasLease: isOwned,
    waiting: [],
    slotOfNoTurn: false,
    toReplace: false,
  });
  if (isOwned) expect([live.turn_id, live.epoch, stream.owner_epoch]).toEqual([live.turn_id, epoch, epoch]);
  const indexes = turns.flatMap(({ turn_index }) => turn_index ?? []);
  expect(new Set(indexes).size).toBe(indexes.length);
}

/** The log, replayed from its start, tells of the same turns as the rows. */
export function checkLog(events: SessionEvent[], state: SessionState): void {
  const { turns, problems } = replayTurns(events);
  expect(problems).toEqual([]);
  // Whoever lost or gave up a turn is behind the fence from then on.
  const past = [...turns.values()].flatMap(({ attempts }) =>
    attempts.filter(({ end }) => /lost|handed_over/.test(end ?? '')),
  );
  for (const { epoch } of past) expect(epoch).toBeLessThan(state.epoch);
  const told = [...turns.values()].map(({ turn_id, status, attempts }) => ({
    turn_id,
    status,
    attempts: attempts.length,
    epoch: OWNED.includes(status) ? attempts.at(-1)!.epoch : undefined,
  }));
  const rows = state.turns.map(({ turn_id, status, attempt, epoch }) => ({
    turn_id,
    status,
    attempts: attempt,
    epoch: OWNED.includes(status) ? epoch : undefined,
  }));
  const byId = (a: { turn_id: string }, b: { turn_id: string }) => a.turn_id.localeCompare(b.turn_id);
  expect(told.sort(byId)).toEqual(rows.sort(byId));
  expect(inboxOf(events)).toEqual(state.inbox.map(({ turn_id }) => turn_id));

  const watcher = events.findLast(({ type }) => type === 'session.watcher_changed');
  if (state.stream.watcher_id !== null) {
    expect((watcher?.data as { watcher_id: string }).watcher_id).toBe(state.stream.watcher_id);
  }
}

/** Who waits, as far as the log tells: in at a position, out with any other event of the turn, put in another order. */
function inboxOf(events: SessionEvent[]): string[] {
  let waiting: string[] = [];
  for (const { type, turn_id, data } of events) {
    if (type === 'inbox.reordered') waiting = (data as { turn_ids: string[] }).turn_ids;
    else if (turn_id === null || !type.startsWith('turn.')) continue;
    else if (type !== 'turn.inbox') waiting = waiting.filter((other) => other !== turn_id);
    else waiting = waiting.toSpliced((data as { position: number }).position, 0, turn_id);
  }
  return waiting;
}

/** No question is open whose turn is not live under the epoch that asked it. */
export async function checkQuestions({ unitOfWork }: Processes, { session, live, epoch }: SessionState): Promise<void> {
  const open = await unitOfWork.query<{ turn_id: string; epoch: number }>(
    `SELECT turn_id, epoch FROM session_interactions
      WHERE project_id = $1 AND session_id = $2 AND status = 'pending'`,
    [session.project_id, session.session_id],
  );
  for (const question of open) {
    expect(question).toEqual({ turn_id: live?.turn_id, epoch });
  }
}
