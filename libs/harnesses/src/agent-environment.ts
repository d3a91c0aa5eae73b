import { COMMON_VARIABLES, type AcpHarness } from './acp-harness.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment of an agent: what the harness may see of the runner's, what its agent's revision sets, and what the
 * harness insists on. Nothing of the runner's own gets through, so an agent inside an agent inherits no markers.
 */
export function agentEnvironment(
  harness: Pick<AcpHarness, 'passes' | 'settings'>,
  runner: Environment,
  revision: Environment,
): Record<string, string> {
  const isPassed = matcher([...COMMON_VARIABLES, ...harness.passes]);
  const passed = Object.entries(runner).filter(([name]) => isPassed(name));
  const merged = { ...Object.fromEntries(passed), ...revision, ...harness.settings };
  const isOurs = matcher(['HOLDFAST_*']);
  return Object.fromEntries(
    Object.entries(merged).filter((entry): entry is [string, string] => entry[1] !== undefined && !isOurs(entry[0])),
  );
}

function matcher(patterns: string[]): (name: string) => boolean {
  const exact = new Set(patterns.filter((pattern) => !pattern.endsWith('*')));
  const prefixes = patterns.filter((pattern) => pattern.endsWith('*')).map((pattern) => pattern.slice(0, -1));
  return (name) => exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
}
