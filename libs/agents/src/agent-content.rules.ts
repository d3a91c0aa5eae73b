import { isDeepStrictEqual } from 'node:util';

/** Programs that a runner can host. `acp` is any program that speaks the Agent Client Protocol. */
export const HARNESSES = ['scripted', 'codex', 'claude', 'opencode', 'gemini', 'acp'] as const;

export type Harness = (typeof HARNESSES)[number];

/** Whose runners take the turns of an agent that names no pool. */
export const DEFAULT_POOL = 'default';

/** Harnesses that a new project has an agent of; `acp` needs a command that nobody could guess. */
export const SEEDED_HARNESSES = HARNESSES.filter((harness) => harness !== 'acp');

/** What an agent is: the part of a revision that decides whether a next one is needed. */
export interface AgentContent {
  harness: Harness;
  pool: string;
  /** Null leaves the model to the harness. */
  model: string | null;
  environment: Record<string, string>;
  /** Program and arguments; null runs the harness's own. */
  command: string[] | null;
}

/** Whether both would run the same. The order of variables makes no difference. */
export function isSameContent(one: AgentContent, other: AgentContent): boolean {
  return isDeepStrictEqual(contentOf(one), contentOf(other));
}

/** The content of a revision, without the revision. */
export function contentOf({ harness, pool, model, environment, command }: AgentContent): AgentContent {
  return { harness, pool, model, environment, command };
}
