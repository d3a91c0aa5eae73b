import { randomUUID } from 'node:crypto';
import { HoldfastClient, type SessionTurnGrant } from '@holdfast/client';
import type { ApiProcess } from '@holdfast/testing';

/** A runner without an agent: the test says what happens in its turn. */
export async function playRunner(api: ApiProcess) {
  const { runners } = new HoldfastClient({ url: api.url, apiKey: api.runner_key });
  const replica_id = randomUUID();
  await runners.registerSessionRunner({ SessionRunnerRegister: { replica_id, pools: ['default'] } });

  /** Claims the turn that waits, and says that it runs. */
  return async function claimTurn() {
    const claim = { replica_id, capacity: 1, wait_seconds: 10 };
    const { turns } = await runners.claimSessionTurns({ SessionTurnClaim: claim });
    const { session_id, turn_id, epoch, credential } = turns[0] as SessionTurnGrant;
    const ofTurn = new HoldfastClient({ url: api.url, apiKey: credential }).runners;
    const turn = { session_id, turn_id, epoch };
    const beat = { ...turn, status: 'running' as const, agent_session_id: 'played' };
    await runners.beatSessionTurns({ SessionTurnBeats: { replica_id, turns: [beat] } });
    let seq = 0;

    return {
      session_id,
      turn_id,
      async append(...updates: Record<string, unknown>[]) {
        const at = new Date().toISOString();
        const events = updates.map((data) => ({ type: 'agent.update', at, turn_id, data }));
        const response = await fetch(`${api.url}/v1/stream/sessions/${session_id}/events`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${credential}`,
            'content-type': 'application/json',
            'producer-id': 'runner',
            'producer-epoch': String(epoch),
            'producer-seq': String(seq++),
          },
          body: JSON.stringify(events),
        });
        if (!response.ok) throw new Error(await response.text());
      },
      async ask(title: string) {
        const options = [{ option_id: 'y', name: 'Yes', kind: 'allow_once' as const }];
        const request = { tool_call: { toolCallId: 'call', title }, options };
        const question = { ...turn, token: randomUUID(), kind: 'user_approval' as const, request };
        const { interaction_id } = await ofTurn.raiseSessionInteraction({ SessionInteractionRaise: question });
        return interaction_id;
      },
      complete: (
        status: 'completed' | 'failed' | 'cancelled',
        more: { error?: { code: string; message: string } } = {},
      ) => ofTurn.completeSessionTurn({ SessionTurnComplete: { ...turn, status, stop_reason: 'end_turn', ...more } }),
    };
  };
}

export const words = (text: string) => ({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
