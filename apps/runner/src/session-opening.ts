import { setImmediate as nextLoopTurn } from 'node:timers/promises';
import type { DrivenAgent } from './driven-agent.js';
import { AgentGone, TurnFailure } from './turn-failure.js';

/** The agent's own id of the conversation, if it has one already. Throws agent_start_timeout after `limitMs`. */
export async function openSession(
  agent: DrivenAgent,
  cwd: string,
  resumeSessionId: string | null,
  limitMs: number,
): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    const message = `The agent did not open a session within ${limitMs / 1000} s.`;
    timer = setTimeout(() => reject(new TurnFailure('agent_start_timeout', message)), limitMs);
  });
  const opening = agent.initialize().then(() => agent.openSession(cwd, resumeSessionId));
  return await Promise.race([opening, tooLate]).finally(() => clearTimeout(timer));
}

/** Rejects when the agent has ended and all that it said before has been heard. */
export function goneOf(agent: DrivenAgent): Promise<never> {
  const gone = agent.process.exited.then(async (exit): Promise<never> => {
    await agent.drained;
    await nextLoopTurn();
    throw new AgentGone(exit);
  });
  // It is waited for only while the turn runs.
  gone.catch(() => undefined);
  return gone;
}
