import { pino } from 'pino';
import type { SessionTurnClaim, SessionTurnGrant } from '@holdfast/client';
import { ClaimLoop } from '../src/claim-loop.js';
import { ControlPlaneRefusal, ControlPlaneUnavailable, type ControlPlane } from '../src/control-plane.js';

it('repeats a claim that got no answer as the same one, and gives the next one another name', async () => {
  const stopping = new AbortController();
  const grant = { session_id: 's', turn_id: 't', epoch: 1 } as SessionTurnGrant;
  const answers = [
    () => Promise.reject(new ControlPlaneUnavailable('the connection broke')),
    () => Promise.reject(new ControlPlaneUnavailable('database_unavailable (503)')),
    () => Promise.resolve([grant]),
    () => Promise.reject(new ControlPlaneRefusal(409, 'replica_unknown', 'Register it first.')),
    () => Promise.resolve([]),
    () => (stopping.abort(), Promise.resolve([])),
  ];
  const ids: (string | undefined)[] = [];
  const claim = ({ claim_id }: SessionTurnClaim) => answers[ids.push(claim_id) - 1]!();
  const started: SessionTurnGrant[] = [];
  const turns = { size: 0, start: (granted: SessionTurnGrant) => void started.push(granted) };
  const loop = new ClaimLoop(
    { claim } as unknown as ControlPlane,
    'r',
    10,
    turns as never,
    { beatNow: async () => undefined } as never,
    pino({ level: 'silent' }),
  );

  await loop.run(stopping.signal);

  expect(started).toEqual([grant]);
  expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);
  const names = ids.map((id) => ids.indexOf(id));
  expect(names).toEqual([0, 0, 0, 3, 3, 5]);
});
