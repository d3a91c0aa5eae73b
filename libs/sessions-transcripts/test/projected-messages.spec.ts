import { MAX_MESSAGE_BYTES } from '../src/projection/open-run.rules.js';
import { project, startOfLog } from '../src/projection/transcript-projection.rules.js';
import { ended, message, recordsOf, thought, toolCall, turnEnd } from './expected-records.js';
import { call, callUpdate, event, logOf, OTHER_TURN, say, think, timeOf, TURN, update } from './session-events.js';

describe('messages and thoughts', () => {
  it('joins adjacent chunks, and begins anew where another kind is between them', () => {
    expect(recordsOf(think('hm'), think('m'), say('Hel'), say('lo'), think('?'), say('!'), ended)).toEqual([
      thought('hmm', [0, 1]),
      message('Hello', [2, 3]),
      thought('?', [4, 4]),
      message('!', [5, 5]),
      turnEnd(6),
    ]);
  });

  it('keeps the times of the first and the last chunk, and the turn', () => {
    const { records } = project(startOfLog(), logOf(say('a'), say('b'), event('agent.notice'), ended));
    expect(records[0]).toMatchObject({ turn_id: TURN, started_at: timeOf(0), ended_at: timeOf(1) });
  });

  it('keeps other content blocks in order, and text apart that is annotated for somebody', () => {
    const image = { type: 'image', data: 'AAAA', mimeType: 'image/png' };
    const forUser = { type: 'text', text: 'c', annotations: { audience: ['user'] } };
    const blocks = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
      image,
      forUser,
      { type: 'text', text: 'd' },
    ];
    const chunks = blocks.map((content) => update('agent_message_chunk', { content }));
    expect(recordsOf(...chunks, ended)[0]).toMatchObject({
      content: { blocks: [{ type: 'text', text: 'ab' }, image, forUser, { type: 'text', text: 'd' }] },
    });
  });

  it('ends a message where the agent gives the next chunk another message id', () => {
    expect(
      recordsOf(say('a', { messageId: '1' }), say('b', { messageId: '1' }), say('c', { messageId: '2' }), ended),
    ).toEqual([message('ab', [0, 1]), message('c', [2, 2]), turnEnd(3)]);
  });

  it('ends a message at a tool call, at news of a tool call and at a question', () => {
    const records = recordsOf(
      say('a'),
      call('t'),
      say('b'),
      callUpdate('t', { status: 'in_progress' }),
      say('c'),
      event('interaction.requested', { interaction_id: 'i' }),
      say('d'),
      ended,
    );
    expect(records.filter(({ type }) => type === 'agent_message').map(({ span }) => span[0])).toEqual([0, 2, 4, 6]);
  });

  it('does not end a message at usage, at what it does not know, or at news of a finished call', () => {
    const done = call('t', { status: 'completed' });
    const records = recordsOf(
      done,
      say('a'),
      update('usage_update', { used: 1, size: 2 }),
      say('b'),
      update('session_info_update', { title: 'x' }),
      say('c'),
      callUpdate('t', { _meta: { late: true } }),
      say('d'),
      event('agent.future', {}),
      say('e'),
      ended,
    );
    expect(records.find(({ type }) => type === 'agent_message')).toEqual(message('abcde', [1, 9]));
  });

  it('drops messages without a visible character', () => {
    expect(recordsOf(say(''), say('\n'), think(' '), say(' \n'), call('t', { status: 'failed' }), ended)).toEqual([
      toolCall('failed', { toolCallId: 't', status: 'failed' }, [4, 4]),
      turnEnd(5),
    ]);
  });

  it('drops what agents replay as the user', () => {
    const replay = update('user_message_chunk', { content: { type: 'text', text: 'earlier' } });
    expect(recordsOf(replay, ended)).toEqual([turnEnd(1)]);
  });

  it('cuts a message at 1 MiB and loses nothing', () => {
    const chunk = 'é'.repeat(MAX_MESSAGE_BYTES / 5);
    const records = recordsOf(say(chunk), say(chunk), say(chunk), say(chunk), say(chunk), say(' '), ended);
    expect(records).toEqual([
      message(chunk.repeat(2), [0, 1]),
      message(chunk.repeat(2), [2, 3], true),
      message(`${chunk} `, [4, 5], true),
      turnEnd(6),
    ]);
  });

  it('keeps a blank rest of a message that was cut', () => {
    const whole = 'x'.repeat(MAX_MESSAGE_BYTES);
    expect(recordsOf(say(whole), say('\n'), ended).slice(0, 2)).toEqual([
      message(whole, [0, 0]),
      message('\n', [1, 1], true),
    ]);
  });

  it('never joins the text of two turns', () => {
    const other = update('agent_message_chunk', { content: { type: 'text', text: 'b' } }, OTHER_TURN);
    expect(recordsOf(say('a'), other, event('turn.lost', {}, OTHER_TURN))).toEqual([
      message('a', [0, 0]),
      message('b', [1, 1]),
      turnEnd(2, 'lost', {}),
    ]);
  });
});
