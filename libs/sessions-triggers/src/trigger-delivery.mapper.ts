import type { TriggerDelivery } from './dto/trigger-delivery.dto.js';
import type { TriggerDeliveryRow } from './trigger-deliveries.repository.js';

export function toTriggerDelivery(row: TriggerDeliveryRow): TriggerDelivery {
  return {
    delivery_id: row.delivery_id,
    source: row.source,
    session_id: row.session_id,
    turn_id: row.turn_id,
    status: row.status,
    error: row.error,
    created_at: row.created_at.toISOString(),
    created_by_id: row.created_by_id,
    dispatched_at: row.dispatched_at?.toISOString() ?? null,
    closed_at: row.closed_at?.toISOString() ?? null,
  };
}
