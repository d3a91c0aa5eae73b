import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { StreamNotFound } from '@holdfast/durable-streams';
import { requirePolicy, SessionAccess, type Principal, type SessionRule } from '@holdfast/platform-auth';
import type { SessionStreamWatch } from '@holdfast/sessions-streams';
import type { ViewGrant } from './live-grants.js';
import { logsOf, type WantedLog } from './watched-logs.js';

/** What of a watch somebody may see. */
export interface JudgedWatch {
  wanted: WantedLog[];
  /** Told to be unknown, as those are that do not exist. */
  refused: WantedLog[];
  grant: ViewGrant;
}

const RULE: SessionRule = { of: 'session', place: { in: 'handler' } };

/** Judges each log of a watch by itself. */
@Injectable()
export class WatchAccess {
  constructor(private readonly access: SessionAccess) {}

  /** One that is lost later ends the whole view: what is left of it is watched anew. */
  async of(principal: Principal, headers: IncomingHttpHeaders, watch: SessionStreamWatch): Promise<JudgedWatch> {
    const logs = logsOf(principal.project_id, watch);
    const isOpen = await this.judge(principal, watch);
    const wanted = logs.filter((_, index) => isOpen[index]);
    const admit = async (now: Principal) => {
      requirePolicy({ for: 'user', permission: 'VIEW_SESSIONS' }, now, RULE);
      const isOpenStill = await this.judge(now, watch);
      const lost = logs.find((_, index) => isOpen[index] && !isOpenStill[index]);
      if (lost) throw StreamNotFound(lost.key);
    };
    const session_ids = watch.sessions.filter((_, index) => isOpen[index]).map(({ session_id }) => session_id);
    return {
      wanted,
      refused: logs.filter((_, index) => !isOpen[index]),
      grant: { headers, principal, admit, session_ids },
    };
  }

  /** For each log, in the order of `logsOf`, whether it is within reach. */
  private async judge(principal: Principal, { sessions, activities = [] }: SessionStreamWatch): Promise<boolean[]> {
    const ids = sessions.map(({ session_id }) => session_id);
    const task_ids = activities.map(({ task_id }) => task_id);
    const [reached, told] = await Promise.all([
      this.access.reached(principal, ids),
      this.access.reachedActivities(principal, task_ids),
    ]);
    return [...ids.map((id) => reached.has(id)), ...task_ids.map((task_id) => told.has(task_id))];
  }
}
