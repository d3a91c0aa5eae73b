import { TurnBench } from './turn-bench.js';

describe('the questions of an agent over ACP', () => {
  let bench: TurnBench;
  beforeEach(() => void (bench = new TurnBench()));
  afterEach(() => bench.close());

  const notices = (grant: Parameters<typeof bench.plane.events>[0]) =>
    bench.plane.events(grant).filter(({ type }) => type === 'agent.notice');

  it('are all denied where its approvals are "deny", which the log says; nobody is asked', async () => {
    const grant = bench.start('[[ask:rm -rf build]]', { approvals: 'deny' });
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(bench.plane.interactions).toEqual([]);
    const ended = bench.plane.updates(grant).filter(({ sessionUpdate }) => sessionUpdate === 'tool_call_update');
    expect(ended.map(({ status }) => status)).toEqual(['failed']);
    expect(notices(grant)).toMatchObject([
      { data: { code: 'permission_denied', message: expect.stringContaining('rm -rf build') } },
    ]);
  });

  it('are all allowed where its approvals are "bypass"; nobody is asked', async () => {
    const grant = bench.start('[[ask:rm -rf build]]', { approvals: 'bypass' });
    expect(await bench.plane.ended(grant)).toMatchObject({ status: 'completed' });
    expect(bench.plane.interactions).toEqual([]);
    const ended = bench.plane.updates(grant).filter(({ sessionUpdate }) => sessionUpdate === 'tool_call_update');
    expect(ended.at(-1)).toMatchObject({ status: 'completed' });
    expect(notices(grant)).toEqual([]);
  });
});
