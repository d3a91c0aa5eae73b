import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import {
  SessionRunnerRegister,
  SessionTurnBeats,
  SessionTurnClaim,
  SessionTurnComplete,
  SessionTurnDetach,
  SessionTurnMerge,
} from '../src/index.js';

/** The fields that are refused. */
const faults = (as: new () => object, body: object): string[] =>
  validateSync(plainToInstance(as, body)).map(({ property }) => property);

const id = '01900000-0000-7000-8000-000000000000';

describe('what a runner says of itself', () => {
  const register = (change: object) => faults(SessionRunnerRegister, { replica_id: id, pools: ['default'], ...change });

  it('is taken with and without labels and capacity', () => {
    expect(register({})).toEqual([]);
    expect(register({ labels: ['os=linux', 'example.com/gpu=A100'], capacity: 1000 })).toEqual([]);
    expect(plainToInstance(SessionRunnerRegister, { replica_id: id, pools: ['a'] })).toMatchObject({
      labels: [],
      capacity: 100,
    });
  });

  it.each([0, -1, 1001, 0.5, Number.POSITIVE_INFINITY, '10', true, null])(
    'is refused with a capacity of %p',
    (capacity) => {
      expect(register({ capacity })).toEqual(['capacity']);
    },
  );

  it.each<[string, unknown]>([
    ['that are no list', 'os=linux'],
    ['that are null', null],
    ['without a value', ['linux']],
    ['with an empty key', ['=linux']],
    ['with an empty value', ['os=']],
    ['with a capital in the key', ['OS=linux']],
    ['with a space', ['os=a b']],
    ['that are numbers', [7]],
    ['that are too long', [`os=${'x'.repeat(64)}`]],
    ['that are too many', Array.from({ length: 21 }, (_, n) => `a${n}=1`)],
  ])('is refused with labels %s', (_, labels) => {
    expect(register({ labels })).toEqual(['labels']);
  });

  it.each<[string, unknown]>([
    ['no', []],
    ['capitals in', ['Default']],
    ['empty', ['']],
    ['a text for', 'default'],
    ['too many', Array(21).fill('a')],
  ])('is refused with %s pools', (_, pools) => {
    expect(register({ pools })).toEqual(['pools']);
  });
});

it.each([
  ['capacity', 0],
  ['capacity', 1001],
  ['capacity', 1.5],
  ['wait_seconds', -1],
  ['wait_seconds', 31],
  ['wait_seconds', '5'],
  ['replica_id', 'runner-1'],
])('a claim with %s %j is refused', (field, value) => {
  const claim = { replica_id: id, capacity: 1, wait_seconds: 0 };
  expect(faults(SessionTurnClaim, claim)).toEqual([]);
  expect(faults(SessionTurnClaim, { ...claim, [field]: value })).toEqual([field]);
});

it.each<[string, object]>([
  ['turns that are no list', { turns: {} }],
  ['no turns', { turns: undefined }],
  ['too many turns', { turns: Array(1001).fill({}) }],
  ['a replica that is no uuid', { replica_id: 'runner-1' }],
  ['an offset that is none', { control_offset: 'now' }],
  ['an offset that is a number', { control_offset: 5 }],
])('a beat with %s is refused as a whole', (_, change) => {
  const beats = { replica_id: id, turns: [null, { anything: 1 }], control_offset: '0000000000000001_0000000000000005' };
  expect(faults(SessionTurnBeats, beats)).toEqual([]);
  expect(faults(SessionTurnBeats, { ...beats, ...change })).toEqual(Object.keys(change));
});

it.each<[string, object]>([
  ['no reason', { reason: '' }],
  ['too long a reason', { reason: 'x'.repeat(257) }],
  ['an epoch below 0', { epoch: -1 }],
  ['an epoch that no number holds', { epoch: 2 ** 53 }],
  ['a turn that is no uuid', { turn_id: 'x' }],
  ['a session id with a space', { session_id: 'a b' }],
])('a hand-over with %s is refused', (_, change) => {
  const detach = { session_id: 's', turn_id: id, epoch: 1, reason: 'drain' };
  expect(faults(SessionTurnDetach, detach)).toEqual([]);
  expect(faults(SessionTurnDetach, { ...detach, ...change })).toEqual(Object.keys(change));
});

it.each<[string, new () => object]>([
  ['replica_id', SessionRunnerRegister],
  ['replica_id', SessionTurnClaim],
  ['replica_id', SessionTurnBeats],
  ['turn_id', SessionTurnDetach],
  ['turn_id', SessionTurnComplete],
  ['turn_id', SessionTurnMerge],
  ['merged_turn_id', SessionTurnMerge],
])('%s is taken in capitals too, and is the same', (field, as) => {
  const upper = '019ABCDE-0000-7000-8000-00000000ABCD';
  expect(plainToInstance(as, { [field]: upper })).toMatchObject({ [field]: upper.toLowerCase() });
  expect(plainToInstance(as, { [field]: 7 })).toMatchObject({ [field]: 7 });
});

it('a merge names both turns', () => {
  const merge = { session_id: 's', turn_id: id, epoch: 1, merged_turn_id: id };
  expect(faults(SessionTurnMerge, merge)).toEqual([]);
  expect(faults(SessionTurnMerge, { ...merge, merged_turn_id: 'x' })).toEqual(['merged_turn_id']);
});
