import { defineError } from '@holdfast/platform-errors';

export const SessionInUse = defineError<{ session_id: string; turn_id: string; status: string }>({
  code: 'session_in_use',
  kind: 'conflict',
  title: 'Session in use',
  detail: ({ session_id, turn_id, status }) =>
    `Session "${session_id}" has a live turn (${turn_id}, ${status}). Wait for it to end, or cancel it first.`,
  members: ({ turn_id, status }) => ({ turn_id, turn_status: status }),
});

export const NoLiveTurn = defineError<{ session_id: string }>({
  code: 'no_live_turn',
  kind: 'conflict',
  title: 'No live turn',
  detail: ({ session_id }) => `Session "${session_id}" has no live turn to cancel. Send a prompt to start one.`,
});

export const TurnNotFound = defineError<{ turn_id: string }>({
  code: 'turn_not_found',
  kind: 'not-found',
  title: 'Turn not found',
  detail: ({ turn_id }) => `There is no turn "${turn_id}" in this project.`,
});

export const TurnNotLive = defineError<{ turn_id: string; status: string }>({
  code: 'turn_not_live',
  kind: 'conflict',
  title: 'Turn not live',
  detail: ({ turn_id, status }) => `Turn "${turn_id}" is ${status}; it can no longer be changed.`,
  members: ({ status }) => ({ turn_status: status }),
});

export const ReplicaTaken = defineError<{ replica_id: string }>({
  code: 'replica_taken',
  kind: 'conflict',
  title: 'Replica taken',
  detail: ({ replica_id }) => `Replica "${replica_id}" was registered with another key. Choose another id.`,
});

export const ReplicaUnknown = defineError<{ replica_id: string }>({
  code: 'replica_unknown',
  kind: 'conflict',
  title: 'Replica unknown',
  detail: ({ replica_id }) => `Replica "${replica_id}" was not registered with this key. Register it first.`,
});
