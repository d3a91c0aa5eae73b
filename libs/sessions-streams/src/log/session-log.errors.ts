import { defineError } from '@holdfast/platform-errors';

export const EventTypeReserved = defineError<{ type: string }>({
  code: 'event_type_reserved',
  kind: 'invalid',
  title: 'Event type reserved',
  detail: ({ type }) => `A runner may append events of type "agent.*" only, not "${type}".`,
});
