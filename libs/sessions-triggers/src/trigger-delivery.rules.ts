/** `pending`: nobody has taken the turn. `dispatched`: it has an owner, or had one. The rest are how the turn ended. */
export const TRIGGER_DELIVERY_STATUSES = [
  'pending',
  'dispatched',
  'completed',
  'failed',
  'cancelled',
  'superseded',
  'merged',
  'paused',
  'lost',
] as const;

export type TriggerDeliveryStatus = (typeof TRIGGER_DELIVERY_STATUSES)[number];

/** How a turn, and with it its delivery, can end. */
export type TriggerDeliveryOutcome = Exclude<TriggerDeliveryStatus, 'pending' | 'dispatched'>;

/** What started a turn with nobody watching. */
export const TRIGGER_SOURCES = ['invoke'] as const;

export type TriggerSource = (typeof TRIGGER_SOURCES)[number];
