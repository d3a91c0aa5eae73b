import { Injectable } from '@nestjs/common';
import { mintShareToken, SessionAccess, ShareEnded, Unauthenticated, type Principal } from '@holdfast/platform-auth';
import { encodeCursor, RequestInvalid } from '@holdfast/platform-http';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { v7 as uuidv7 } from 'uuid';
import { JoinedSessions } from '../ports/joined-sessions.port.js';
import { SharedSessions } from '../ports/shared-sessions.port.js';
import type { SessionJoin, SessionJoinCreate } from './dto/session-join.dto.js';
import { JoinedSharesRepository, type JoinedShare } from './joined-shares.repository.js';
import { JoinedTasksReader } from './joined-tasks.reader.js';
import { ParticipantEvents } from './participant-events.js';
import { isOwn } from './participant-owner.rules.js';
import { roleOf } from './participant-role.rules.js';
import { toSessionParticipant } from './participant.mapper.js';
import { ParticipantLimit, ParticipantNotFound } from './participants.errors.js';
import { ParticipantsRepository, type ParticipantRow } from './participants.repository.js';
import { sourceFields, sourceOf, type SharedSource } from './source-type.rules.js';

/** Most participants that look at one session at a time. */
export const MAX_PARTICIPANTS = 1_000;

/** Most newcomers by one share within an hour: whoever has a link could come and go for ever. */
export const MAX_NEWCOMERS = 1_000;

/** Most participants in the answer to a join. */
const SHOWN_PARTICIPANTS = 200;

/** Somebody who has joined. */
interface Entered {
  row: ParticipantRow;
  token: string | null;
  share: JoinedShare | null;
  source: SharedSource;
}

/**
 * Lets somebody into a session, and tells them all that they need. What is told from offsets on is read before the rest,
 * so that nothing falls between: it may come twice, and is the same then.
 */
@Injectable()
export class JoinSession {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly access: SessionAccess,
    private readonly participants: ParticipantsRepository,
    private readonly shares: JoinedSharesRepository,
    private readonly events: ParticipantEvents,
    private readonly held: SharedSessions,
    private readonly sessions: JoinedSessions,
    private readonly tasks: JoinedTasksReader,
  ) {}

  /**
   * With a link: a new participant, and its token. With a participant's token: the same participant, which from then on
   * looks at this session. With a key: a new participant, or the one that is named.
   * Errors: session_not_found, share_ended, participant_not_found, participant_limit, request_invalid.
   */
  async join(principal: Principal, ask: SessionJoinCreate): Promise<SessionJoin> {
    const session_id = sessionIdOf(principal, ask);
    if (session_id !== null) await this.access.require(principal, session_id, 'reader');
    const { project_id } = principal;
    const session = session_id === null ? null : await this.sessions.fetch({ project_id, session_id });
    const activity = await this.tasks.activity(principal, session_id);

    const entered = await this.unitOfWork.run((tx) => this.enter(tx, principal, session_id, ask));

    const { row, share } = entered;
    const [{ participants, participants_next_cursor }, { task, names }] = await Promise.all([
      this.shown(project_id, session_id),
      this.tasks.ofSession(principal, session_id),
    ]);
    return {
      session: session && {
        session_id: session_id!,
        name: session.name,
        created_at: session.created_at,
      },
      participant_id: row.participant_id,
      participant_token: entered.token,
      role: roleOf(principal),
      share: share && {
        share_id: share.share_id,
        scope: share.scope,
        role: share.role,
        expires_at: share.expires_at?.toISOString() ?? null,
      },
      ...sourceFields(entered.source, ask.source_type_format),
      task,
      participants,
      participants_next_cursor,
      names,
      offset: session?.offset ?? null,
      tail_offset: session?.tail_offset ?? null,
      activity,
      status: session && {
        status: session.status,
        alive: session.alive,
        turn_id: session.turn_id,
        ended_reason: session.ended_reason,
      },
    };
  }

  private async enter(
    tx: Transaction,
    principal: Principal,
    session_id: string | null,
    ask: SessionJoinCreate,
  ): Promise<Entered> {
    const { project_id } = principal;
    if (session_id !== null) await this.held.hold(tx, { project_id, session_id });
    const share = principal.kind === 'share' ? await this.holdShare(tx, project_id, principal.share.share_id) : null;
    const before = await this.participantBefore(tx, principal, ask.participant_id);
    const isHere = before?.left_at === null && before.session_id === session_id;
    if (!isHere && session_id !== null) {
      const count = await this.participants.holdDoor(tx, { project_id, session_id });
      if (count >= MAX_PARTICIPANTS) throw ParticipantLimit({ limit: MAX_PARTICIPANTS, of: 'session' });
    }

    const { row: made, token } = before ? { row: before, token: null } : await this.make(tx, principal);
    const role = principal.kind === 'user' ? roleOf(principal) : null;
    const row = await this.participants.enter(tx, made, session_id, { name: ask.name?.trim() || undefined, role });
    const source = await this.source(tx, project_id, session_id, share);

    if (before?.left_at === null && before.session_id !== null && !isHere) {
      this.events.left(tx, { ...before, name: row.name }, 'moved');
    }
    if (session_id !== null && !isHere) {
      const join_order = await this.participants.visit(tx, { project_id, session_id }, row.participant_id);
      this.events.joined(tx, { ...row, join_order }, source);
    }
    if (isHere && (before.name !== row.name || before.role !== row.role)) this.events.updated(tx, row);
    return { row, token, share, source };
  }

  private async holdShare(tx: Transaction, project_id: string, share_id: string): Promise<JoinedShare> {
    const share = await this.shares.hold(tx, project_id, share_id);
    if (!share) throw Unauthenticated();
    if (share.end_reason) throw ShareEnded({ reason: share.end_reason });
    return share;
  }

  /** Who comes back; undefined for somebody new. */
  private async participantBefore(
    tx: Transaction,
    principal: Principal,
    named: string | undefined,
  ): Promise<ParticipantRow | undefined> {
    const own = principal.kind === 'share' ? principal.share.participant_id : named;
    if (named !== undefined && named !== own) throw ParticipantNotFound({ participant_id: named });
    if (own === null || own === undefined) return undefined;
    const row = await this.participants.lock(tx, principal.project_id, own);
    if (!row || !isOwn(principal, row)) throw ParticipantNotFound({ participant_id: own });
    // Since it was authenticated, the share got another link.
    if (row.left_reason === 'rotated') throw Unauthenticated();
    return row;
  }

  private async make(tx: Transaction, principal: Principal): Promise<{ row: ParticipantRow; token: string | null }> {
    const { project_id } = principal;
    const participant_id = uuidv7();
    if (principal.kind !== 'share') {
      const who = { share_id: null, key_id: principal.key_id, role: roleOf(principal), token_hash: null };
      return { row: await this.participants.insert(tx, { project_id, participant_id, ...who }), token: null };
    }
    const { share_id } = principal.share;
    const newcomers = await this.participants.holdLink(tx, project_id, share_id);
    if (newcomers >= MAX_NEWCOMERS) throw ParticipantLimit({ limit: MAX_NEWCOMERS, of: 'share' });
    const { token, hash } = mintShareToken('view');
    const who = { share_id, key_id: null, role: null, token_hash: hash };
    return { row: await this.participants.insert(tx, { project_id, participant_id, ...who }), token };
  }

  private async source(
    tx: Transaction,
    project_id: string,
    session_id: string | null,
    share: JoinedShare | null,
  ): Promise<SharedSource> {
    if (session_id === null) return sourceOf(share, null, true);
    const session = { project_id, session_id };
    const task = (await this.shares.taskOf(tx, session)) ?? null;
    if (!share) return sourceOf((await this.shares.firstOf(tx, session, task?.task_id ?? null)) ?? null, task, true);
    const isHost = share.session_id === session_id || (task !== null && share.task_id === task.task_id);
    return sourceOf(share, task, isHost);
  }

  private async shown(
    project_id: string,
    session_id: string | null,
  ): Promise<Pick<SessionJoin, 'participants' | 'participants_next_cursor'>> {
    if (session_id === null) return { participants: [], participants_next_cursor: null };
    const rows = await this.participants.list({ project_id, session_id }, 0, SHOWN_PARTICIPANTS + 1, false);
    const page = rows.slice(0, SHOWN_PARTICIPANTS);
    const isMore = rows.length > SHOWN_PARTICIPANTS;
    return {
      participants: page.map(toSessionParticipant),
      participants_next_cursor: isMore ? encodeCursor({ join_order: page.at(-1)!.join_order }) : null,
    };
  }
}

/** The session that is meant; null for the host of a share which has no session yet. */
function sessionIdOf(principal: Principal, ask: SessionJoinCreate): string | null {
  if (ask.session_id !== undefined) return ask.session_id;
  if (principal.kind === 'share') return principal.share.session_id;
  throw RequestInvalid({
    errors: [{ pointer: '/session_id', detail: 'must be named: a key opens no session by itself' }],
  });
}
