import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import type { LogKey } from '../log-head.js';
import { TooManySubscribedStreams } from './subscriptions.errors.js';

/** Any number: it only has to differ from the other locks that take a project. */
const LINK_LOCK = 1_409_611;

/** Streams that the pattern of a new subscription may match. Their writers wait while they are linked. */
export const MAX_MATCHED_STREAMS = 50_000;

/** Streams that one subscription may ask for by name. */
export const MAX_EXPLICIT_STREAMS = 10_000;

/** The part of a subscription that says which streams are its own. */
export interface Linking {
  project_id: string;
  number: number;
  /** Null: it takes only what it asks for by name. */
  pattern_regex: string | null;
  /** Never matched by the pattern: each wake would be the cause of the next. */
  wake_stream: string | null;
}

/**
 * Which streams belong to which subscription. Links are made where streams are made and where subscriptions are; both
 * hold one lock of the project (shared and exclusive), so that neither misses the other.
 */
@Injectable()
export class SubscriptionLinks {
  /**
   * Links a log that the transaction has inserted, at its tail, before it gets any content. Whether anything was linked.
   */
  async linkNew(tx: Transaction, { project_id, path, id }: LogKey & { id: number }): Promise<boolean> {
    await tx.query(`SELECT pg_advisory_xact_lock_shared($1, hashtext($2))`, [LINK_LOCK, project_id]);
    // A statement of its own: it must see what was committed while the lock was waited for.
    const row = await tx.queryOne<{ subscribed: boolean }>(
      `WITH log AS (
         SELECT id, tail, unlisted FROM log_streams WHERE project_id = $1 AND path = $2 AND id = $3
       ), awaited AS (
         UPDATE log_subscription_links l SET log_id = log.id, acked = log.tail, pending = false
           FROM log WHERE l.project_id = $1 AND l.path = $2 AND l.log_id IS NULL RETURNING 1
       ), matched AS (
         INSERT INTO log_subscription_links (project_id, subscription, path, log_id, acked, explicit, glob)
         SELECT b.project_id, b.number, $2, log.id, log.tail, false, true FROM log, log_subscriptions b
          WHERE b.project_id = $1 AND NOT log.unlisted
            AND $2 ~ b.pattern_regex AND b.wake_stream IS DISTINCT FROM $2
         ON CONFLICT DO NOTHING RETURNING 1
       )
       SELECT EXISTS (SELECT FROM awaited) OR EXISTS (SELECT FROM matched) AS subscribed`,
      [project_id, path, id],
    );
    return row!.subscribed;
  }

  /** For a log that is deleted. What was asked for by name waits for the next log at the path. */
  async unlink(tx: Transaction, { project_id, id }: { project_id: string; id: number }): Promise<void> {
    await tx.query(
      `WITH matched AS (
         DELETE FROM log_subscription_links WHERE project_id = $1 AND log_id = $2 AND NOT explicit)
       UPDATE log_subscription_links SET log_id = NULL
        WHERE project_id = $1 AND log_id = $2 AND explicit`,
      [project_id, id],
    );
  }

  /** For a log that is unlisted from now on, which those who named it did not know. Its links are made anew, by name. */
  async unlinkAll(tx: Transaction, { project_id, id }: { project_id: string; id: number }): Promise<void> {
    await tx.query(`DELETE FROM log_subscription_links WHERE project_id = $1 AND log_id = $2`, [project_id, id]);
  }

  /** For whoever changes what a subscription is linked to: until the transaction ends, no log of the project is made. */
  async lockProject(tx: Transaction, project_id: string): Promise<void> {
    await tx.query(`SELECT pg_advisory_xact_lock($1, hashtext($2))`, [LINK_LOCK, project_id]);
  }

  /** Links what the pattern matches now, each log at its tail. Errors: too_many_subscribed_streams. */
  async linkMatching(tx: Transaction, linking: Linking): Promise<void> {
    const logs = await tx.query<{ id: number }>(
      `SELECT id FROM log_streams WHERE project_id = $1 AND path ~ $2 AND path IS DISTINCT FROM $3
          AND NOT unlisted AND ${IS_LIVE} LIMIT $4`,
      [linking.project_id, linking.pattern_regex, linking.wake_stream, MAX_MATCHED_STREAMS + 1],
    );
    if (logs.length > MAX_MATCHED_STREAMS) throw TooManySubscribedStreams({ limit: MAX_MATCHED_STREAMS });
    await tx.query(
      `WITH ${MARKED}
       INSERT INTO log_subscription_links (project_id, subscription, path, log_id, acked, explicit, glob)
       SELECT $1, $3, path, id, tail, false, true FROM marked ON CONFLICT DO NOTHING`,
      [linking.project_id, logs.map(({ id }) => id), linking.number],
    );
  }

  /**
   * Links streams by name, each at its tail; one that does not exist is linked when it is made. What is linked already
   * keeps its place. Errors: too_many_subscribed_streams.
   */
  async linkExplicit(tx: Transaction, linking: Linking, paths: string[]): Promise<void> {
    const logs = await tx.query<{ id: number }>(
      `SELECT id FROM log_streams WHERE project_id = $1 AND path = ANY($2::text[]) AND ${IS_LIVE}`,
      [linking.project_id, paths],
    );
    await tx.query(
      `WITH ${MARKED}
       INSERT INTO log_subscription_links AS l (project_id, subscription, path, log_id, acked, explicit, glob)
       SELECT $1, $3, named.path, marked.id, coalesce(marked.tail, 0), true, coalesce(named.path ~ $5, false)
         FROM (SELECT DISTINCT unnest($4::text[]) AS path) named LEFT JOIN marked ON marked.path = named.path
       ON CONFLICT (project_id, subscription, path) DO UPDATE SET explicit = true WHERE NOT l.explicit`,
      [linking.project_id, logs.map(({ id }) => id), linking.number, paths, linking.pattern_regex],
    );
    const row = await tx.queryOne<{ count: number }>(
      `SELECT count(*) AS count FROM log_subscription_links WHERE project_id = $1 AND subscription = $2 AND explicit`,
      [linking.project_id, linking.number],
    );
    if (row!.count > MAX_EXPLICIT_STREAMS) throw TooManySubscribedStreams({ limit: MAX_EXPLICIT_STREAMS });
  }

  /** Takes back that a stream was asked for by name; it stays where the pattern matches it. */
  async unlinkExplicit(tx: Transaction, { project_id, number }: Linking, path: string): Promise<void> {
    await tx.query(
      `WITH removed AS (
         DELETE FROM log_subscription_links
          WHERE project_id = $1 AND subscription = $2 AND path = $3 AND explicit AND NOT (${IS_MATCHED}))
       UPDATE log_subscription_links SET explicit = false
        WHERE project_id = $1 AND subscription = $2 AND path = $3 AND explicit AND ${IS_MATCHED}`,
      [project_id, number, path],
    );
  }
}

const IS_LIVE = `deleted_at IS NULL AND (expires_at IS NULL OR expires_at > now())`;

/** Of a link whose path matches the pattern, whether that counts for the log that stands there. */
const IS_MATCHED = `glob AND EXISTS (
            SELECT FROM log_streams s
             WHERE s.project_id = log_subscription_links.project_id AND s.id = log_id AND NOT s.unlisted)`;

/**
 * The logs `$2` of project `$1`, locked in the order of their ids and at the tails that they have then: whoever appends
 * after the commit sees that they are subscribed, as their versions are not those that anybody remembers.
 */
const MARKED = `held AS (
         SELECT project_id, id FROM log_streams WHERE project_id = $1 AND id = ANY($2::bigint[])
          ORDER BY id FOR NO KEY UPDATE
       ), marked AS (
         UPDATE log_streams s SET subscribed = true, version = s.version + (NOT s.subscribed)::int
           FROM held WHERE s.project_id = held.project_id AND s.id = held.id
         RETURNING s.path, s.id, s.tail
       )`;
