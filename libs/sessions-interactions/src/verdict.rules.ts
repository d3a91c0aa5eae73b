/** How an approval may be answered. `allow_always` also answers what the agent would ask again. */
export const DECISIONS = ['allow', 'allow_always', 'deny'] as const;

export type Decision = (typeof DECISIONS)[number];

/** Kinds of options, as in ACP's `PermissionOptionKind` (agentclientprotocol.com, protocol v1). */
export const OPTION_KINDS = ['allow_once', 'allow_always', 'reject_once', 'reject_always'] as const;

export type OptionKind = (typeof OPTION_KINDS)[number];

/** An answer, as it is stored and handed to the agent. */
export interface Verdict {
  decision: Decision;
  message: string | null;
}

/** A denial needs no option: a runner can always end the tool call. Permission is never widened to fit. */
const OPTION_NEEDED: Record<Decision, OptionKind | null> = {
  allow: 'allow_once',
  allow_always: 'allow_always',
  deny: null,
};

export function isOffered(decision: Decision, options: { kind: OptionKind }[]): boolean {
  const needed = OPTION_NEEDED[decision];
  return needed === null || options.some(({ kind }) => kind === needed);
}
