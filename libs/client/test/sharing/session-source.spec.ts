import { retryDelayMs } from '../../src/sharing/clock.js';
import { sourceOf } from '../../src/sharing/session-source.js';
import { parseShareLink } from '../../src/sharing/share-link.js';

describe('where a shared session comes from', () => {
  it.each([
    ['Q01 a user with a task', { source_type: 'user', source_task_id: 'T' }, { task_id: 'T', is_ambient: false }],
    ['Q02 nothing of a task', { source_type: 'user' }, { task_id: null, is_ambient: false }],
    [
      'Q04 the task that an ambient agent names',
      { source_type: { ambient_agent: { task_id: 'T' } } },
      { task_id: 'T', is_ambient: true },
    ],
    [
      'Q05 both: the one that is named beside it',
      { source_type: { ambient_agent: { task_id: 'T' } }, source_task_id: 'U' },
      { task_id: 'U', is_ambient: true },
    ],
    ['Q06 an ambient agent by a bare word', { source_type: 'ambient_agent' }, { task_id: null, is_ambient: true }],
    [
      'Q07 the detailed form beside a bare word',
      { source_type: 'ambient_agent', detailed_source_type: { ambient_agent: { task_id: 'T' } } },
      { task_id: 'T', is_ambient: true },
    ],
    [
      'Q07 a user beside a bare word',
      { source_type: 'user', detailed_source_type: 'user', source_task_id: null },
      { task_id: null, is_ambient: false },
    ],
    ['Q08 a task alone makes nothing ambient', { source_task_id: 'T' }, { task_id: 'T', is_ambient: false }],
    ['a source that this version does not know', { source_type: { robot: {} } }, { task_id: null, is_ambient: false }],
    [
      'Q12 an ambient agent that never has a task',
      { source_type: { ambient_agent: { task_id: null } }, source_task_id: null },
      { task_id: null, is_ambient: true },
    ],
  ])('%s', (_, stated, source) => expect(sourceOf(stated)).toEqual(source));
});

describe('a link', () => {
  const share_id = '0191d6a0-5d3c-7c3e-9a41-0c2b7f0e9d11';
  it.each([
    [`https://holdfast.example/s/${share_id}#hf_share_a_b`, 'https://holdfast.example'],
    [`http://127.0.0.1:4300/s/${share_id}#hf_share_a_b`, 'http://127.0.0.1:4300'],
    [`https://holdfast.example/under/a/path/s/${share_id}#hf_share_a_b`, 'https://holdfast.example/under/a/path'],
  ])('%s', (link, url) => expect(parseShareLink(link)).toEqual({ url, share_id, token: 'hf_share_a_b' }));

  it.each([
    'my-session',
    `https://holdfast.example/s/${share_id}`,
    `https://holdfast.example/s/${share_id}#something`,
    'https://holdfast.example/s/none#hf_share_a_b',
    `file:///s/${share_id}#hf_share_a_b`,
  ])('is not %s', (text) => expect(parseShareLink(text)).toBeUndefined());
});

describe('the wait before the next try', () => {
  it('is 1 s × 1.2^n, at most 30 s, and 20 % more or less', () => {
    const of = (failures: number, random: number) => Math.round(retryDelayMs(failures, { random: () => random }));
    expect([1, 2, 3, 10, 18, 40].map((failures) => of(failures, 0.5))).toEqual([1000, 1200, 1440, 5160, 22186, 30000]);
    expect([of(1, 0), of(1, 1)]).toEqual([800, 1200]);
  });
});
