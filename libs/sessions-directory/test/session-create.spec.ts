import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { SessionCreate, SessionPath } from '../src/dto/session-create.dto.js';

/** The fields that are refused. */
function faults(body: object, as: new () => object = SessionCreate): string[] {
  return validateSync(plainToInstance(as, body)).map(({ property }) => property);
}

const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`l${i}`, 'x']));

it.each<[object]>([
  [{}],
  [{ name: 'A name', labels: { 'team.a_b-C': '', other: 'x'.repeat(256) } }],
  [{ name: ' padded ', labels: labels(32) }],
])('accepts %j', (body) => {
  expect(faults(body)).toEqual([]);
});

it.each<[string, object, string]>([
  ['an empty name', { name: '' }, 'name'],
  ['a blank name', { name: ' \t ' }, 'name'],
  ['too long a name', { name: 'n'.repeat(201) }, 'name'],
  ['a name that is no text', { name: 7 }, 'name'],
  ['too many labels', { labels: labels(33) }, 'labels'],
  ['an empty key', { labels: { '': 'x' } }, 'labels'],
  ['a key with a space', { labels: { 'a b': 'x' } }, 'labels'],
  ['too long a key', { labels: { ['k'.repeat(64)]: 'x' } }, 'labels'],
  ['too long a value', { labels: { a: 'x'.repeat(257) } }, 'labels'],
  ['a value that is no text', { labels: { a: null } }, 'labels'],
  ['labels as a list', { labels: ['a'] }, 'labels'],
])('D6: refuses %s', (_, body, field) => {
  expect(faults(body)).toEqual([field]);
});

it('keeps a label of any allowed key', () => {
  const create = plainToInstance(SessionCreate, JSON.parse('{"labels":{"constructor":"1","toString":"2"}}'));
  expect(Object.keys(create.labels ?? {})).toEqual(['constructor', 'toString']);
});

it.each([
  ['a', []],
  ['A-1_z', []],
  ['x'.repeat(128), []],
  ['x'.repeat(129), ['session_id']],
  ['', ['session_id']],
  ['a.b', ['session_id']],
  ['a/b', ['session_id']],
  ['a\n', ['session_id']],
])('judges the session id %j', (session_id, expected) => {
  expect(faults({ session_id }, SessionPath)).toEqual(expected);
});
