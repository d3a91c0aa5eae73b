/** `message`: an agent wrote it. `lifecycle`: the platform tells a parent that its child ended. */
export const MESSAGE_KINDS = ['message', 'lifecycle'] as const;

export type MessageKind = (typeof MESSAGE_KINDS)[number];

export const MAX_BODY_BYTES = 65_536;
/** Of a body that is short enough, whatever its characters. */
export const MAX_BODY_CHARACTERS = MAX_BODY_BYTES;
export const MAX_RECIPIENTS = 200;

/** Most messages of one task that wait to be delivered. */
export const MAX_UNDELIVERED = 1_000;

/** Most messages of one answer. */
export const MAX_DELIVERED_AT_ONCE = 100;

/** What `to` may name instead of a task. */
export const PARENT = 'parent';
export const ORCHESTRATOR = 'orchestrator';
