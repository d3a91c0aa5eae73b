import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { SessionKey, Transaction } from '@holdfast/platform-postgres';
import { SessionLogService } from '../log/session-log.service.js';
import { TurnMilestones } from '../ports/turn-milestones.port.js';
import { InboxChanged, InboxFull, NotInInbox, TurnNotFound } from '../sessions-streams.errors.js';
import { SessionInboxRepository, type InboxPlace } from './session-inbox.repository.js';
import { describeTurn, type TurnStart } from './session-turns.service.js';
import { SessionTurnsRepository, type TurnRow } from './session-turns.repository.js';

/** Most prompts that wait in one session. */
const MAX_ENTRIES = 100;

/**
 * Prompts that wait for the turn before them: each is a turn already, with the id that it keeps. Runs in the caller's
 * transaction, with the session's fence locked.
 */
@Injectable()
export class SessionInboxService {
  constructor(
    private readonly inbox: SessionInboxRepository,
    private readonly turns: SessionTurnsRepository,
    private readonly log: SessionLogService,
    private readonly milestones: TurnMilestones,
  ) {}

  /** Puts a prompt behind those that wait. Errors: inbox_full. */
  async queue(tx: Transaction, start: TurnStart): Promise<TurnRow> {
    const position = await this.requireRoom(tx, start);
    return this.add(tx, start, { end: 'tail', delivery: 'queue', in_turn_of: null }, position);
  }

  /** Puts a prompt before all others, to run when the live turn has stopped. No limit keeps anybody from steering. */
  steer(tx: Transaction, start: TurnStart): Promise<TurnRow> {
    return this.add(tx, start, { end: 'head', delivery: 'steer', in_turn_of: null }, 0);
  }

  /**
   * Puts a prompt before all others but those that were offered before it, for the live turn to take where that runs the
   * same agent. Errors: inbox_full.
   */
  async offer(tx: Transaction, start: TurnStart, live: TurnRow): Promise<TurnRow> {
    await this.requireRoom(tx, start);
    const isSameAgent = start.agent_name === live.agent_name && start.agent_revision === live.agent_revision;
    const waiting = await this.inbox.lockAll(tx, start);
    const position = waiting.findLastIndex(({ delivery }) => delivery === 'in_turn') + 1;
    const place = { end: 'head', delivery: 'in_turn', in_turn_of: isSameAgent ? live.turn_id : null } as const;
    const entry = await this.add(tx, start, place, position);
    if (position > 0) await this.inbox.setOrder(tx, start, idsOf(waiting).toSpliced(position, 0, entry.turn_id));
    return entry;
  }

  /** What waits to replace the live turn, locked. */
  async steered(tx: Transaction, session: SessionKey): Promise<TurnRow[]> {
    return (await this.inbox.lockAll(tx, session)).filter(({ delivery }) => delivery === 'steer');
  }

  head(tx: Transaction, session: SessionKey): Promise<TurnRow | undefined> {
    return this.inbox.lockHead(tx, session);
  }

  all(tx: Transaction, session: SessionKey): Promise<TurnRow[]> {
    return this.inbox.lockAll(tx, session);
  }

  /** Gives the entries another order; `named` are exactly those that wait. Errors: inbox_changed. */
  async reorder(tx: Transaction, session: SessionKey, named: string[]): Promise<TurnRow[]> {
    // A UUID may be written in capitals.
    const turn_ids = named.map((turn_id) => turn_id.toLowerCase());
    const present = await this.inbox.lockAll(tx, session);
    const byId = new Map(present.map((entry) => [entry.turn_id, entry]));
    const wanted = turn_ids.map((turn_id) => byId.get(turn_id)).filter((entry) => entry !== undefined);
    if (wanted.length !== present.length || turn_ids.length !== present.length) {
      throw InboxChanged({ turn_ids: idsOf(present) });
    }
    if (wanted.some((entry, index) => entry !== present[index])) {
      await this.inbox.setOrder(tx, session, turn_ids);
      this.log.appendWithin(tx, session, { type: 'inbox.reordered', turn_id: null, data: { turn_ids } });
    }
    return wanted;
  }

  /** The entry that may be withdrawn, locked, or that was before. Errors: turn_not_found, not_in_inbox. */
  async lockForWithdrawal(
    tx: Transaction,
    session: SessionKey,
    turn_id: string,
  ): Promise<{ entry: TurnRow; alreadyWithdrawn: boolean }> {
    const entry = await this.turns.lockTurn(tx, { ...session, turn_id });
    if (!entry) throw TurnNotFound({ turn_id });
    const alreadyWithdrawn = entry.stop_reason === WITHDRAWN && entry.turn_index === null;
    if (entry.status !== 'inbox' && !alreadyWithdrawn) throw NotInInbox({ turn_id, status: entry.status });
    return { entry, alreadyWithdrawn };
  }

  /** Whoever sent a prompt that waits will not watch it when it starts. */
  leave(tx: Transaction, session: SessionKey, turn_id: string): Promise<void> {
    return this.inbox.setDetached(tx, session, turn_id, true);
  }

  /** Whoever sent a prompt that waits, and left, is there again. */
  rejoin(tx: Transaction, session: SessionKey, turn_id: string): Promise<void> {
    return this.inbox.setDetached(tx, session, turn_id, false);
  }

  /** How many wait. Errors: inbox_full. */
  private async requireRoom(tx: Transaction, session: SessionKey): Promise<number> {
    const count = await this.inbox.count(tx, session);
    if (count >= MAX_ENTRIES) throw InboxFull({ limit: MAX_ENTRIES });
    return count;
  }

  private async add(tx: Transaction, start: TurnStart, place: InboxPlace, position: number): Promise<TurnRow> {
    const entry = await this.inbox.insert(tx, { ...start, turn_id: uuidv7() }, place);
    await this.milestones.reached(tx, entry, 'made');
    this.log.appendWithin(tx, entry, {
      type: 'turn.inbox',
      turn_id: entry.turn_id,
      data: { ...describeTurn(entry), position, delivery: place.delivery },
    });
    return entry;
  }
}

const idsOf = (entries: TurnRow[]) => entries.map(({ turn_id }) => turn_id);

/** Stop reason of an entry that somebody took out of the inbox. */
export const WITHDRAWN = 'withdrawn';
