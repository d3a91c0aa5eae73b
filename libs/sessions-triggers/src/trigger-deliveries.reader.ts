import { Injectable } from '@nestjs/common';
import { decodeCursor, encodeCursor } from '@holdfast/platform-http';
import type { SessionFilter } from '@holdfast/platform-postgres';
import type { TriggerDeliveryPage, TriggerDeliveryQuery } from './dto/trigger-delivery-query.dto.js';
import type { TriggerDelivery } from './dto/trigger-delivery.dto.js';
import { TriggerDeliveryNotFound } from './sessions-triggers.errors.js';
import { TriggerDeliveriesRepository } from './trigger-deliveries.repository.js';
import { toTriggerDelivery } from './trigger-delivery.mapper.js';

/** Answers what was started with nobody watching, and what became of it. */
@Injectable()
export class TriggerDeliveriesReader {
  constructor(private readonly deliveries: TriggerDeliveriesRepository) {}

  /** Errors: trigger_delivery_not_found. */
  async fetch(project_id: string, delivery_id: string): Promise<TriggerDelivery> {
    const row = await this.deliveries.find(project_id, delivery_id);
    if (!row) throw TriggerDeliveryNotFound({ delivery_id });
    return toTriggerDelivery(row);
  }

  /** Newest first, of the sessions that `isSeen` lets through. Errors: cursor_malformed. */
  async query(project_id: string, query: TriggerDeliveryQuery, isSeen?: SessionFilter): Promise<TriggerDeliveryPage> {
    const before = decodeCursor(query.cursor, { delivery_id: 'uuid' });
    const rows = await this.deliveries.list(project_id, query, before?.delivery_id, query.limit + 1, isSeen);
    const page = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? page.at(-1) : undefined;
    return {
      data: page.map(toTriggerDelivery),
      next_cursor: last ? encodeCursor({ delivery_id: last.delivery_id }) : null,
    };
  }
}
