import type { SessionKey } from '@holdfast/platform-postgres';
import type { StreamRow, TurnRow } from './rows.js';
import type { Processes } from './processes.js';

const LIVE = ['queued', 'starting', 'running', 'stopping'];

/** What the database holds of one session. */
export interface SessionState {
  session: SessionKey;
  epoch: number;
  /** How many events its log has. */
  tail: number;
  stream: StreamRow;
  turns: TurnRow[];
  live: TurnRow | undefined;
  /** In the order in which they are to run. */
  inbox: TurnRow[];
  /** Whether it holds one of the places that its project has for live turns. */
  hasSlot: boolean;
}

/** Undefined for a session that nobody has made. */
export async function stateOf({ unitOfWork }: Processes, session: SessionKey): Promise<SessionState | undefined> {
  const key = [session.project_id, session.session_id];
  const stream = await unitOfWork.queryOne<StreamRow & { epoch: number; tail: number; has_slot: boolean }>(
    `SELECT s.current_turn_id, s.owner_replica_id, s.owner_epoch, s.lease_until, s.watcher_id, f.epoch, log.tail,
            slot.session_id IS NOT NULL AS has_slot
       FROM session_streams s
       JOIN session_fences f ON f.project_id = s.project_id AND f.session_id = s.session_id
       JOIN log_streams log ON log.project_id = s.project_id AND log.path = 'sessions/' || s.session_id || '/events'
       LEFT JOIN project_turn_slots slot ON slot.project_id = s.project_id AND slot.session_id = s.session_id
      WHERE s.project_id = $1 AND s.session_id = $2`,
    key,
  );
  if (!stream) return undefined;
  const turns = await unitOfWork.query<TurnRow>(
    `SELECT * FROM session_turns WHERE project_id = $1 AND session_id = $2 ORDER BY inbox_position, turn_id`,
    key,
  );
  const live = turns.filter(({ status }) => LIVE.includes(status));
  expect(live.length).toBeLessThanOrEqual(1);
  return {
    session,
    epoch: stream.epoch,
    tail: stream.tail,
    stream,
    turns,
    live: live[0],
    inbox: turns.filter(({ status }) => status === 'inbox'),
    hasSlot: stream.has_slot,
  };
}
