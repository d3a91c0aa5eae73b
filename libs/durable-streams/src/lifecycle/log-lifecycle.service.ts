import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { LogService } from '../append/log.service.js';
import { splitMessages } from '../content/messages.js';
import { LogUnavailable, StreamDeleted, StreamNotFound, StreamPathBlocked } from '../durable-streams.errors.js';
import { LogHub } from '../live/log-hub.js';
import type { LogHead, LogKey } from '../log-head.js';
import { LogRepository } from '../log.repository.js';
import { SubscriptionLinks } from '../subscriptions/subscription-links.js';
import type { LogCreate, LogFork } from './log-create.js';
import { newFork, newLog, requireSame, type NewLog } from './log-create.rules.js';
import { LogLifecycleRepository } from './log-lifecycle.repository.js';

/** How often a path may be taken and freed by others while one makes a log there. */
const MAX_ATTEMPTS = 3;

/** Makes logs and forks, and removes them. */
@Injectable()
export class LogLifecycle {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly repository: LogLifecycleRepository,
    private readonly logs: LogRepository,
    private readonly log: LogService,
    private readonly links: SubscriptionLinks,
    private readonly hub: LogHub,
  ) {}

  /**
   * Makes the log with its first content, or finds that it is there as asked for. Errors: stream_exists,
   * stream_path_blocked; of a fork also stream_not_found (no source) and those of `newFork`.
   */
  async create(create: LogCreate): Promise<{ head: LogHead; created: boolean }> {
    return this.unitOfWork.run(async (tx) => {
      const present = await this.make(tx, create);
      if (present) {
        requireSame(create, present);
        return { head: present, created: false };
      }
      tx.afterCommit(() => this.hub.announceChange(create));
      return { head: (await this.logs.headWithin(tx, create))!, created: true };
    });
  }

  /** An empty log of JSON in the transaction that needs it, unless there is one. `unlisted`: see `unlistWithin`. */
  async createWithin(
    tx: Transaction,
    key: LogKey,
    { generation, projected, unlisted = false }: { generation: number; projected: boolean; unlisted?: boolean },
  ): Promise<void> {
    const log = {
      ...newLog({ ...key, content_type: 'application/json', closed: false, body: Buffer.alloc(0) }),
      generation,
    };
    await this.insert(tx, key, log, { projected, unlisted });
  }

  /**
   * Keeps the log from all patterns of subscriptions, also from those which matched it, and from those which named it
   * before. Whoever names it from now on is told of it. Call in the transaction that makes the log.
   */
  async unlistWithin(tx: Transaction, key: LogKey): Promise<void> {
    const id = await this.repository.setUnlisted(tx, key);
    if (id !== undefined) await this.links.unlinkAll(tx, { ...key, id });
  }

  /**
   * Removes the log. While forks read from it, it is only hidden and its path blocked; the last of them takes it along.
   * Errors: stream_not_found, stream_deleted.
   */
  async delete(key: LogKey): Promise<void> {
    await this.unitOfWork.run((tx) => this.deleteWithin(tx, key));
  }

  /** The same in the transaction of the caller. Logs are locked last, so call it where `lastly` does. */
  async deleteWithin(tx: Transaction, key: LogKey): Promise<void> {
    const head = await this.logs.headWithin(tx, key);
    if (head?.state === 'live' && (await this.remove(tx, head))) return;
    // As it is now: somebody else may have been first.
    const left = await this.logs.headWithin(tx, key);
    throw left?.state === 'deleted' ? StreamDeleted({ path: key.path }) : StreamNotFound({ path: key.path });
  }

  /** In the transaction of the caller. False when somebody else was first. */
  async remove(tx: Transaction, log: LogKey & { id: number }): Promise<boolean> {
    const { project_id } = log;
    const chain = await this.repository.lockChains(tx, project_id, [log.path]);
    let next = chain.find(({ id }) => id === log.id);
    if (!next || next.deleted) return false;
    await this.links.unlink(tx, log);
    tx.afterCommit(() => this.hub.announceChange(log));
    if (await this.repository.hasForks(tx, log)) {
      await this.repository.markDeleted(tx, log);
      return true;
    }
    // Upwards: what was only kept for the fork that goes now goes too.
    for (; next; next = chain.find(({ id, deleted }) => id === next!.source_id && deleted)) {
      if (await this.repository.hasForks(tx, { project_id, id: next.id })) break;
      await this.repository.delete(tx, { project_id, id: next.id });
    }
    return true;
  }

  /** As `remove`, when it is expired still once nobody else can use it. */
  async removeExpired(tx: Transaction, log: LogKey & { id: number }): Promise<boolean> {
    await this.repository.lockChains(tx, log.project_id, [log.path]);
    const head = await this.logs.headWithin(tx, log);
    return head?.id === log.id && head.state === 'expired' && this.remove(tx, log);
  }

  /** The live log that is there already and may be what is asked for. */
  private async make(tx: Transaction, create: LogCreate): Promise<LogHead | undefined> {
    const { project_id, path, closed } = create;
    const { present, source } = await this.presentFork(tx, create);
    if (present) return present;
    const log = create.fork ? newFork(create, create.fork, requireSource(create.fork, source)) : newLog(create);
    const messages = splitMessages(log.content_type, create.body);
    const standing = await this.takePath(tx, create, log);
    if (standing || !(messages.length || closed)) return standing;
    // Nobody could read what it holds.
    const isOver = log.lifetime && (await this.logs.headWithin(tx, create))?.state === 'expired';
    if (!isOver) await this.log.write(tx, [{ project_id, path, messages, close: closed }]);
    return undefined;
  }

  /** Of a fork, the live log at its path, or what it is made from, held until the commit. */
  private async presentFork(tx: Transaction, create: LogCreate): Promise<{ present?: LogHead; source?: LogHead }> {
    const { project_id, path, fork } = create;
    if (!fork) return {};
    // Before its source is looked for: that may have been deleted since the fork was made.
    const present = await this.logs.headWithin(tx, create);
    if (present?.state === 'live') return { present };
    // It is removed below. All who do so lock in the order of ids, and here the source would be locked before.
    if (present) await this.repository.lockChains(tx, project_id, [path, fork.source_path]);
    const source = await this.repository.hold(tx, { project_id, path: fork.source_path });
    // Somebody else may have put one there while the locks were waited for.
    const arrived = await this.logs.headWithin(tx, create);
    return arrived?.state === 'live' ? { present: arrived } : { source };
  }

  /** Puts the log at its path, where an expired one makes room that was not swept yet. A live one stays, and is given back. */
  private async takePath(tx: Transaction, create: LogCreate, log: NewLog): Promise<LogHead | undefined> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (await this.insert(tx, create, log, { projected: false, unlisted: false })) return undefined;
      const existing = await this.logs.headWithin(tx, create);
      if (existing?.state === 'live') return existing;
      if (existing?.state === 'deleted') throw StreamPathBlocked({ path: create.path });
      if (existing) await this.removeExpired(tx, existing);
    }
    throw LogUnavailable();
  }

  private async insert(
    tx: Transaction,
    key: LogKey,
    log: NewLog,
    kind: { projected: boolean; unlisted: boolean },
  ): Promise<boolean> {
    const id = await this.repository.insert(tx, key, log, kind);
    if (id === undefined) return false;
    if (await this.links.linkNew(tx, { ...key, id })) await this.repository.setSubscribed(tx, { ...key, id });
    return true;
  }
}

/** Errors: stream_not_found, stream_path_blocked. */
function requireSource({ source_path }: LogFork, source: LogHead | undefined): LogHead {
  if (!source || source.state === 'expired') throw StreamNotFound({ path: source_path });
  if (source.state === 'deleted') throw StreamPathBlocked({ path: source_path });
  return source;
}
