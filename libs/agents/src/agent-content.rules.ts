import { isDeepStrictEqual } from 'node:util';

/**
 * What runs an agent: a program that a runner hosts, of which `acp` is any that speaks the Agent Client Protocol, or with
 * `push` a service that is called.
 */
export const HARNESSES = ['scripted', 'codex', 'claude', 'opencode', 'gemini', 'acp', 'push'] as const;

export type Harness = (typeof HARNESSES)[number];

/** Harnesses whose own command line a runner can drive. */
export const CLI_HARNESSES: readonly Harness[] = ['codex', 'claude', 'opencode', 'gemini'];

/** How a runner speaks with the harness: over the Agent Client Protocol, or by its own command line, one process a turn. */
export const DRIVES = ['acp', 'cli'] as const;

export type Drive = (typeof DRIVES)[number];

/**
 * What becomes of a question of the agent: `ask` puts it to people, `deny` answers it with no, `bypass` has the agent ask
 * nobody. The project must allow `bypass`.
 */
export const APPROVALS = ['ask', 'deny', 'bypass'] as const;

export type Approvals = (typeof APPROVALS)[number];

/** Whose runners take the turns of an agent that names no pool. */
export const DEFAULT_POOL = 'default';

/** How often the owner of a turn may be lost before the turn is, for an agent that does not say. */
export const DEFAULT_MAX_ATTEMPTS = 3;

/** Harnesses that a new project has an agent of; the others need a command or a URL that nobody could guess. */
export const SEEDED_HARNESSES = HARNESSES.filter((harness) => harness !== 'acp' && harness !== 'push');

/** What an agent is: the part of a revision that decides whether a next one is needed. */
export interface AgentContent {
  harness: Harness;
  /** Whose runners take its turns; null when `push_url` is set. */
  pool: string | null;
  /** The service that is called to run its turns; null unless the harness is `push`. */
  push_url: string | null;
  /** `key=value`, all of which a runner must have to take its turns. Sorted, each once. */
  labels: string[];
  /** How often the owner of a turn may be lost before the turn is, from 1 to 10. */
  max_attempts: number;
  /** Null leaves the model to the harness. */
  model: string | null;
  environment: Record<string, string>;
  /** Program and arguments; null runs the harness's own. */
  command: string[] | null;
  drive: Drive;
  approvals: Approvals;
}

/** Whether both would run the same. The order of variables makes no difference. */
export function isSameContent(one: AgentContent, other: AgentContent): boolean {
  return isDeepStrictEqual(contentOf(one), contentOf(other));
}

/** The content of a revision, without the revision. */
export function contentOf(content: AgentContent): AgentContent {
  const { harness, pool, push_url, labels, max_attempts, model, environment, command, drive, approvals } = content;
  return { harness, pool, push_url, labels, max_attempts, model, environment, command, drive, approvals };
}
