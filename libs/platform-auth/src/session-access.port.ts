import type { SessionFilter, UnitOfWork } from '@holdfast/platform-postgres';
import type { Principal, ShareRole } from './principal.js';

/** Where to look: in a transaction, for what is to hold in that, else outside of any. */
export type Reads = Pick<UnitOfWork, 'query' | 'queryOne'>;

/**
 * Which sessions and tasks somebody reaches: through a share what that opens, with a user's key all of the project but
 * those that are private to another key, with a turn's credential its own.
 */
export abstract class SessionAccess {
  /**
   * Errors: session_not_found when it is out of reach, whether it exists or not; permission_denied when it is within
   * reach of a share whose role is below `least`.
   */
  abstract require(principal: Principal, session_id: string, least: ShareRole, reads?: Reads): Promise<void>;

  /** Like `require`. Errors: task_not_found, permission_denied. */
  abstract requireTask(principal: Principal, task_id: string, least: ShareRole): Promise<void>;

  /** Like `requireTask`, of the task with all that descends from it. A share of one session reaches no tree. */
  abstract requireTree(principal: Principal, task_id: string, least: ShareRole): Promise<void>;

  /**
   * Those of `task_ids` whose activity may be read, which tells of all that descends from them: of none of it the session
   * may be private to another key.
   */
  abstract reachedActivities(principal: Principal, task_ids: string[]): Promise<Set<string>>;

  /** Those of `session_ids` that are within reach; one that does not exist may be among them. */
  abstract reached(principal: Principal, session_ids: string[], reads?: Reads): Promise<Set<string>>;

  /** For lists: what leaves out the sessions out of reach. */
  abstract filter(principal: Principal): SessionFilter;
}
