import { randomUUID } from 'node:crypto';
import { type ApiProcess, eventually } from '@holdfast/testing';
import { HoldfastClient, type SessionTurnGrant } from '../src/index.js';

/** A runner without an agent: the test says what happens in its turn. */
export async function playRunner(api: ApiProcess) {
  const { runners } = new HoldfastClient({ url: api.url, apiKey: api.runner_key });
  const replica_id = randomUUID();
  await runners.registerSessionRunner({ SessionRunnerRegister: { replica_id, pools: ['default'] } });

  return {
    /** Claims the turn that waits. */
    async claim() {
      const { turns } = await runners.claimSessionTurns({
        SessionTurnClaim: { replica_id, capacity: 1, wait_seconds: 5 },
      });
      const grant = turns[0] as SessionTurnGrant;
      const { session_id, turn_id, epoch, credential } = grant;
      const turn = new HoldfastClient({ url: api.url, apiKey: credential }).runners;
      let seq = 0;

      return {
        grant,
        async run() {
          const beat = { session_id, turn_id, epoch, status: 'running' as const, agent_session_id: 'played' };
          await runners.beatSessionTurns({ SessionTurnBeats: { replica_id, turns: [beat] } });
        },
        /** Appends events; tries again while the api is away, under the same sequence number. */
        async append(...updates: Record<string, unknown>[]) {
          const at = new Date().toISOString();
          const events = updates.map((data) => ({ type: 'agent.update', at, turn_id, data }));
          const headers = {
            authorization: `Bearer ${credential}`,
            'content-type': 'application/json',
            'producer-id': 'runner',
            'producer-epoch': String(epoch),
            'producer-seq': String(seq++),
          };
          const url = `${api.url}/v1/stream/sessions/${session_id}/events`;
          await eventually(async () => {
            const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(events) });
            if (!response.ok) throw new Error(await response.text());
          });
        },
        ask(toolCall: Record<string, unknown>, options: { option_id: string; name: string; kind: 'allow_once' }[]) {
          const question = { kind: 'user_approval' as const, request: { tool_call: toolCall, options } };
          return turn.raiseSessionInteraction({
            SessionInteractionRaise: { session_id, turn_id, epoch, token: randomUUID(), ...question },
          });
        },
        complete() {
          return turn.completeSessionTurn({
            SessionTurnComplete: { session_id, turn_id, epoch, status: 'completed', stop_reason: 'end_turn' },
          });
        },
      };
    },
  };
}

export const text = (words: string) => ({
  sessionUpdate: 'agent_message_chunk',
  content: { type: 'text', text: words },
});
