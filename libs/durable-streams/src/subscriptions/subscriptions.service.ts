import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { UnitOfWork, type Transaction } from '@holdfast/platform-postgres';
import { DurableStreamsConfig } from '../durable-streams.config.js';
import type { LogSubscription, LogSubscriptionCreate } from './dto/log-subscription.dto.js';
import { parseGlobPattern } from './glob-pattern.js';
import { LinkedStreamsRepository } from './linked-streams.repository.js';
import { SigningKeys } from './signing-keys.js';
import { SubscriptionLinks, type Linking } from './subscription-links.js';
import { offsetOf } from './subscription-wakes.js';
import { SUBSCRIPTIONS_PATH, type LinkedStream, type Subscription, type SubscriptionKey } from './subscription.js';
import {
  SubscriptionExists,
  SubscriptionInvalid,
  SubscriptionNotFound,
  TooManySubscriptions,
} from './subscriptions.errors.js';
import { SubscriptionsRepository, type NewSubscription } from './subscriptions.repository.js';
import { parseWebhookUrl } from './webhook-url.rules.js';

const MAX_SUBSCRIPTIONS = 100;
const DEFAULT_LEASE_MS = 30_000;

/** Streams that are shown at a time. */
const SHOWN_STREAMS = 1_000;

/** A subscription as it is shown, with where to go on when not all of its streams are. */
export interface ShownSubscription {
  subscription: Omit<LogSubscription, 'next_cursor'>;
  /** The last path of those shown; undefined when all were. */
  next_after: string | undefined;
}

/** Makes, shows and removes subscriptions (Durable Streams, section 6). */
@Injectable()
export class SubscriptionsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly repository: SubscriptionsRepository,
    private readonly links: SubscriptionLinks,
    private readonly streams: LinkedStreamsRepository,
    private readonly keys: SigningKeys,
    private readonly config: DurableStreamsConfig,
  ) {}

  /**
   * Makes it, or finds that it is there with the same configuration. Streams that exist are linked at their tails.
   * `base_url` is scheme and host by which the caller reached the api. Errors: subscription_invalid,
   * webhook_url_rejected, subscription_exists, too_many_subscriptions, too_many_subscribed_streams.
   */
  async create(
    key: SubscriptionKey,
    create: LogSubscriptionCreate,
    base_url: string,
  ): Promise<{ subscription: ShownSubscription; created: boolean }> {
    const wanted = this.parse(key, create, base_url);
    const streams = create.streams ?? [];
    const created =
      (await this.repository.find(key)) === undefined &&
      (await this.unitOfWork.run((tx) => this.insert(tx, wanted, streams)));
    const subscription = await this.require(key);
    if (subscription.config_hash !== wanted.config_hash) throw SubscriptionExists(key);
    return { subscription: await this.show(subscription), created };
  }

  /** With streams after the path `after`. Errors: subscription_not_found. */
  async fetch(key: SubscriptionKey, after?: string): Promise<ShownSubscription> {
    return this.show(await this.require(key), after);
  }

  /** From then on all that workers say about its wakes is refused. Errors: subscription_not_found. */
  async delete(key: SubscriptionKey): Promise<void> {
    await this.unitOfWork.run(async (tx) => {
      await this.links.lockProject(tx, key.project_id);
      if (!(await this.repository.delete(tx, key))) throw SubscriptionNotFound(key);
    });
  }

  /** Links streams by name, at their tails. Errors: subscription_not_found, subscription_invalid, too_many_subscribed_streams. */
  async addStreams(key: SubscriptionKey, paths: string[]): Promise<void> {
    await this.unitOfWork.run(async (tx) => {
      await this.links.lockProject(tx, key.project_id);
      const subscription = await this.lock(tx, key);
      refuseOwnWakeStream(subscription.wake_stream, paths);
      await this.links.linkExplicit(tx, linkingOf(subscription), paths);
    });
  }

  /** Errors: subscription_not_found. */
  async removeStream(key: SubscriptionKey, path: string): Promise<void> {
    await this.unitOfWork.run(async (tx) => {
      await this.links.lockProject(tx, key.project_id);
      await this.links.unlinkExplicit(tx, linkingOf(await this.lock(tx, key)), path);
    });
  }

  private parse(
    { project_id, subscription_id }: SubscriptionKey,
    create: LogSubscriptionCreate,
    base_url: string,
  ): NewSubscription {
    const { type, lease_ttl_ms, description } = create;
    if (!URL.canParse(base_url)) throw SubscriptionInvalid({ reason: 'The Host header of the request names no host.' });
    const pattern = create.pattern ? parseGlobPattern(create.pattern) : undefined;
    const streams = create.streams ?? [];
    if (!pattern && !streams.length) throw SubscriptionInvalid({ reason: 'Give a pattern, or streams, or both.' });
    const webhook_url = type === 'webhook' ? this.parseWebhook(create) : null;
    const wake_stream = type === 'pull-wake' ? parseWakeStream(create) : null;
    refuseOwnWakeStream(wake_stream, streams);
    const config = {
      type,
      pattern: pattern?.text ?? null,
      webhook_url,
      wake_stream,
      lease_ttl_ms: lease_ttl_ms ?? DEFAULT_LEASE_MS,
      description: description ?? null,
    };
    return {
      ...config,
      project_id,
      id: subscription_id,
      pattern_regex: pattern?.regex ?? null,
      base_url,
      config_hash: hashOf({ ...config, streams: [...new Set(streams)].sort() }),
    };
  }

  private parseWebhook({ webhook }: LogSubscriptionCreate): string {
    if (!webhook) throw SubscriptionInvalid({ reason: 'A webhook subscription needs webhook.url.' });
    parseWebhookUrl(webhook.url, { allowLoopback: this.config.allowLoopbackWebhooks });
    return webhook.url;
  }

  /** False when somebody else was first. */
  private async insert(tx: Transaction, wanted: NewSubscription, streams: string[]): Promise<boolean> {
    await this.links.lockProject(tx, wanted.project_id);
    const subscription = await this.repository.insert(tx, wanted);
    if (!subscription) return false;
    if ((await this.repository.count(tx, wanted.project_id)) > MAX_SUBSCRIPTIONS) {
      throw TooManySubscriptions({ limit: MAX_SUBSCRIPTIONS });
    }
    const linking = linkingOf(subscription);
    if (linking.pattern_regex !== null) await this.links.linkMatching(tx, linking);
    if (streams.length) await this.links.linkExplicit(tx, linking, streams);
    return true;
  }

  private async require(key: SubscriptionKey): Promise<Subscription> {
    const subscription = await this.repository.find(key);
    if (!subscription) throw SubscriptionNotFound(key);
    return subscription;
  }

  private async lock(tx: Transaction, key: SubscriptionKey): Promise<Subscription> {
    const subscription = await this.repository.lock(tx, key);
    if (!subscription) throw SubscriptionNotFound(key);
    return subscription;
  }

  private async show(subscription: Subscription, after?: string): Promise<ShownSubscription> {
    const streams = await this.streams.page(subscription, SHOWN_STREAMS, after);
    const { id, type, pattern, wake_stream, lease_ttl_ms, created_at, last_error, due_at, description } = subscription;
    return {
      subscription: {
        id,
        subscription_id: id,
        type,
        pattern,
        streams: streams.map(shownStream),
        webhook: await this.targetOf(subscription),
        wake_stream,
        lease_ttl_ms,
        created_at: created_at.toISOString(),
        status: last_error === null ? 'active' : 'failed',
        last_error,
        next_attempt_at: last_error === null ? null : (due_at?.toISOString() ?? null),
        description,
      },
      next_after: streams.length === SHOWN_STREAMS ? streams.at(-1)!.path : undefined,
    };
  }

  private async targetOf({ webhook_url, base_url }: Subscription): Promise<LogSubscription['webhook']> {
    if (webhook_url === null) return null;
    const { kid } = await this.keys.jwk();
    return {
      url: webhook_url,
      signing: { alg: 'ed25519', kid, jwks_url: `${base_url}${SUBSCRIPTIONS_PATH}/jwks.json` },
    };
  }
}

function parseWakeStream({ wake_stream }: LogSubscriptionCreate): string {
  if (!wake_stream) throw SubscriptionInvalid({ reason: 'A pull-wake subscription needs wake_stream.' });
  return wake_stream;
}

function refuseOwnWakeStream(wake_stream: string | null, streams: string[]): void {
  if (wake_stream !== null && streams.includes(wake_stream)) {
    throw SubscriptionInvalid({ reason: 'A subscription cannot wait for its own wake stream.' });
  }
}

function linkingOf({ project_id, number, pattern, wake_stream }: Subscription): Linking {
  return {
    project_id,
    number,
    pattern_regex: pattern === null ? null : parseGlobPattern(pattern).regex,
    wake_stream,
  };
}

const hashOf = (config: object) => createHash('sha256').update(JSON.stringify(config)).digest('hex');

function shownStream(stream: LinkedStream): LogSubscription['streams'][number] {
  return { path: stream.path, link_type: stream.link_type, acked_offset: offsetOf(stream, stream.acked) };
}
