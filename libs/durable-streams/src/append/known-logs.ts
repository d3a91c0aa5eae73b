import { Injectable } from '@nestjs/common';
import type { Transaction } from '@holdfast/platform-postgres';
import { keyOf, type LogHead, type LogKey } from '../log-head.js';
import { LogRepository } from '../log.repository.js';
import type { KnownLog } from './append-group.js';
import type { KeyedAppend } from './log-append.js';

/** Logs whose heads are remembered. */
const MAX_LOGS = 10_000;

/** Producers that are remembered of one log. */
const MAX_PRODUCERS = 1_000;

/**
 * The heads of the logs that this process wrote last, and their producers. What is remembered may be out of date: a write
 * compares versions, and whoever wants to refuse looks again.
 */
@Injectable()
export class KnownLogs {
  /** In the order of their last use. */
  private readonly remembered = new Map<string, KnownLog & { head: LogHead }>();

  constructor(private readonly repository: LogRepository) {}

  /** What `appends` depend on: as remembered, else as it is now. `fresh` holds the logs that were read now. */
  async of(appends: KeyedAppend[]): Promise<{ known: Map<string, KnownLog>; fresh: Set<string> }> {
    const known = new Map<string, KnownLog>();
    const missing: KeyedAppend[] = [];
    for (const one of appends) {
      const log = this.remembered.get(one.key);
      if (log) known.set(one.key, log);
      else missing.push(one);
    }
    if (missing.length) await this.refresh(missing, known);
    await this.readProducers(appends, known);
    return { known, fresh: new Set(missing.map(({ key }) => key)) };
  }

  /** For a transaction: locks the logs in id order, and reads them then. */
  async lock(tx: Transaction, appends: KeyedAppend[]): Promise<Map<string, KnownLog>> {
    const known = new Map<string, KnownLog>();
    for (const { key } of appends) known.set(key, { head: undefined, producers: new Map() });
    for (const head of await this.repository.lockHeads(tx, distinct(appends))) {
      known.set(keyOf(head), { head, producers: new Map() });
    }
    await this.readProducers(appends, known, tx);
    return known;
  }

  remember(key: string, log: KnownLog & { head: LogHead }): void {
    this.remembered.delete(key);
    if (log.producers.size > MAX_PRODUCERS) log.producers.clear();
    this.remembered.set(key, log);
    if (this.remembered.size > MAX_LOGS) this.remembered.delete(this.remembered.keys().next().value!);
  }

  forget(key: string): void {
    this.remembered.delete(key);
  }

  /** As it is now, into `known`. Heads and producers as of one moment: the duplicate of an append that a head lacks would get too low an offset. */
  async refresh(appends: KeyedAppend[], known: Map<string, KnownLog>): Promise<void> {
    for (const { key } of appends) known.set(key, { head: undefined, producers: new Map() });
    const names = appends.flatMap(({ key, append: { project_id, path, producer } }) =>
      producer ? [{ key, project_id, path, producer_id: producer.id }] : [],
    );
    for (const { head, producers } of await this.repository.headsWithProducers(distinct(appends), names)) {
      known.set(keyOf(head), { head, producers: new Map(producers.map(([id, epoch, seq]) => [id, { epoch, seq }])) });
    }
    for (const { key, producer_id } of names) {
      const { producers } = known.get(key)!;
      if (!producers.has(producer_id)) producers.set(producer_id, undefined);
    }
  }

  private async readProducers(appends: KeyedAppend[], known: Map<string, KnownLog>, tx?: Transaction): Promise<void> {
    const unknown = new Map<string, { project_id: string; log_id: number; producer_id: string; log: KnownLog }>();
    for (const { key, append } of appends) {
      if (!append.producer) continue;
      const log = known.get(key);
      if (!log?.head || log.producers.has(append.producer.id)) continue;
      const { id: producer_id } = append.producer;
      unknown.set(`${log.head.id} ${producer_id}`, {
        project_id: append.project_id,
        log_id: log.head.id,
        producer_id,
        log,
      });
    }
    if (!unknown.size) return;
    for (const { log, producer_id } of unknown.values()) log.producers.set(producer_id, undefined);
    for (const { log_id, producer_id, epoch, seq } of await this.repository.producers([...unknown.values()], tx)) {
      unknown.get(`${log_id} ${producer_id}`)!.log.producers.set(producer_id, { epoch, seq });
    }
  }
}

function distinct(appends: KeyedAppend[]): LogKey[] {
  return [...new Map(appends.map(({ key, append }) => [key, append])).values()];
}
