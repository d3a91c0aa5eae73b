import { defineError } from '@holdfast/platform-errors';

export const TriggerDeliveryNotFound = defineError<{ delivery_id: string }>({
  code: 'trigger_delivery_not_found',
  kind: 'not-found',
  title: 'Trigger delivery not found',
  detail: ({ delivery_id }) => `There is no delivery ${delivery_id} in this project.`,
});
