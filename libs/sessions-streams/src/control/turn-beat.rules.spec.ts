import { parseTurnBeat } from './turn-beat.rules.js';

const sound = {
  session_id: 's-1',
  turn_id: '01a202eb-ead4-7375-b3e8-5423fd129faf',
  epoch: 3,
  status: 'running',
};

describe('one entry of a beat', () => {
  it('is taken as it was sent', () => {
    expect(parseTurnBeat({ ...sound, agent_session_id: 'native', sandbox_live: false })).toEqual({
      turn_id: sound.turn_id,
      epoch: 3,
      beat: { ...sound, agent_session_id: 'native', sandbox_live: false },
    });
  });

  it('says nothing of what it leaves out, or sends as null', () => {
    const expected = { ...sound, agent_session_id: undefined, sandbox_live: undefined };
    expect(parseTurnBeat(sound)).toMatchObject({ beat: expected });
    expect(parseTurnBeat({ ...sound, agent_session_id: null, sandbox_live: null })).toMatchObject({ beat: expected });
  });

  it('G7: may have fields that are not known here', () => {
    expect(parseTurnBeat({ ...sound, progress: 0.5 })).toHaveProperty('beat');
    expect(parseTurnBeat(JSON.parse('{"__proto__":{"status":"running"},"constructor":1}'))).toHaveProperty('fault');
  });

  it.each([
    ['session_id', [undefined, null, '', 'a b', 'x'.repeat(129), 7, {}, ['s-1']]],
    ['turn_id', [undefined, null, '', 'x', `${sound.turn_id}0`, 7, {}]],
    ['epoch', [undefined, null, -1, 0.5, '3', Number.NaN, 2 ** 53, 1e400, {}]],
    ['status', [undefined, null, '', 'queued', 'stopping', 1, {}]],
    ['agent_session_id', ['a\0b', 'a\ud800', 'x'.repeat(257), 7, {}]],
    ['sandbox_live', ['true', 0, {}]],
  ])('with a malformed %s names it, and nothing of it is taken', (field, values) => {
    for (const value of values) {
      const parsed = parseTurnBeat({ ...sound, [field]: value });
      expect(parsed).toMatchObject({ fault: expect.stringMatching(new RegExp(`^${field} must `)) });
      expect(parsed).not.toHaveProperty('beat');
      expect(parsed.turn_id).toBe(field === 'turn_id' ? null : sound.turn_id);
      expect(parsed.epoch).toBe(field === 'epoch' ? null : 3);
    }
  });

  it.each([undefined, null, 'beat', 7, true, [], [sound]])('that is %j is no beat', (value) => {
    expect(parseTurnBeat(value)).toEqual({ turn_id: null, epoch: null, fault: 'a beat must be an object' });
  });
});
