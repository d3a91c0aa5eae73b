import type { LogHead } from '../log-head.js';
import { formatOffset } from '../offsets/log-offset.js';
import type { LogCreate, LogFork } from './log-create.js';
import { newFork, newLog, requireSame } from './log-create.rules.js';

const HEAD: LogHead = {
  project_id: 'p',
  path: 'source',
  id: 5,
  generation: 5,
  version: 0,
  content_type: 'application/json',
  tail: 10,
  first: 2,
  closed: false,
  closed_by: null,
  last_seq: 'z',
  ttl_seconds: null,
  expires_at: null,
  state: 'live',
  source_id: null,
  source_path: null,
  fork_anchor: null,
  fork_at: 0,
  lineage_ids: [],
  lineage_ends: [],
  lineage_generations: [],
  epoch: null,
  turn_id: null,
  subscribed: false,
};
const CREATE: LogCreate = { project_id: 'p', path: 'branch', closed: false, body: Buffer.alloc(0) };
const at = (position: number, generation = 5) => formatOffset({ generation, position });
const code = (name: string) => expect.objectContaining({ code: name });
const fork = (of: Partial<LogFork>, source: Partial<LogHead> = {}) =>
  newFork(CREATE, { source_path: 'source', sub_offset: 0, ...of }, { ...HEAD, ...source });

describe('a new log', () => {
  it('is empty, and of bytes unless it is said what it holds', () => {
    expect(newLog(CREATE)).toMatchObject({ content_type: 'application/octet-stream', tail: 0, first: 0, fork_at: 0 });
    expect(newLog({ ...CREATE, content_type: 'text/plain' }).content_type).toBe('text/plain');
  });
});

describe('a fork', () => {
  it.each<[string, Partial<LogFork>, number]>([
    ['without an offset at the tail', {}, 10],
    ['at now', { offset: 'now' }, 10],
    ['at -1, where its source begins', { offset: '-1' }, 2],
    ['at an offset', { offset: at(4) }, 4],
    ['messages after an offset', { offset: at(4), sub_offset: 3 }, 7],
    ['messages after an offset, up to the tail', { offset: at(4), sub_offset: 6 }, 10],
  ])('begins %s', (_, of, fork_at) => {
    expect(fork(of)).toMatchObject({ fork_at, tail: fork_at, first: 2, lineage_ids: [5] });
  });

  it.each<[string, Partial<LogFork>, string]>([
    ['beyond the tail', { offset: at(11) }, 'offset_beyond_tail'],
    ['of another generation', { offset: at(4, 6) }, 'offset_beyond_tail'],
    ['that was trimmed away', { offset: at(1) }, 'offset_gone'],
    ['at the zero token of a trimmed log', { offset: at(0, 0) }, 'offset_gone'],
    ['that is none', { offset: 'x' }, 'offset_malformed'],
    ['with a sub-offset beyond the tail', { offset: at(4), sub_offset: 7 }, 'stream_create_invalid'],
  ])('at an offset %s is refused', (_, of, expected) => {
    expect(() => fork(of)).toThrow(code(expected));
  });

  it('reads what lies before it from every log that holds a part of that, and from no other', () => {
    const lineageOf = (fork_at: number, source: Partial<LogHead>) => {
      const { lineage_ids, lineage_ends, lineage_generations } = fork(
        { offset: '-1', sub_offset: fork_at },
        { ...source, first: 0 },
      );
      return lineage_ids.map((id, index) => [id, lineage_ends[index], lineage_generations[index]]);
    };
    expect(lineageOf(4, {})).toEqual([[5, 4, 5]]);
    const lineage = { lineage_ids: [5, 7], lineage_ends: [3, 6], lineage_generations: [2, 7] };
    const nested = { id: 9, generation: 9, ...lineage, fork_at: 6 };
    expect(lineageOf(8, nested)).toEqual([
      [5, 3, 2],
      [7, 6, 7],
      [9, 8, 9],
    ]);
    expect(lineageOf(5, nested)).toEqual([
      [5, 3, 2],
      [7, 5, 7],
    ]);
    expect(lineageOf(3, nested)).toEqual([[5, 3, 2]]);
    expect(lineageOf(0, nested)).toEqual([[5, 0, 2]]);
  });

  it('of a fork from before offsets told forks apart has the generation that was handed out there', () => {
    const old = { id: 9, generation: 5, lineage_ids: [5], lineage_ends: [3], fork_at: 3 };
    expect(fork({ offset: at(8) }, old)).toMatchObject({ lineage_ids: [5, 9], lineage_generations: [5, 5] });
  });

  it('lives as long as its source where it is not said how long', () => {
    const ends = new Date('2030-01-01T00:00:00Z');
    const of = { source_path: 'source', sub_offset: 0 };
    expect(fork({}, { ttl_seconds: 60, expires_at: ends }).lifetime).toEqual({ ttl_seconds: 60 });
    expect(fork({}, { expires_at: ends }).lifetime).toEqual({ expires_at: ends });
    expect(fork({}).lifetime).toBeUndefined();
    const own = newFork({ ...CREATE, lifetime: { ttl_seconds: 5 } }, of, { ...HEAD, expires_at: ends });
    expect(own.lifetime).toEqual({ ttl_seconds: 5 });
  });
});

describe('a log that exists', () => {
  const branch: LogHead = {
    ...HEAD,
    path: 'branch',
    id: 6,
    generation: 6,
    lineage_ids: [5],
    lineage_ends: [7],
    lineage_generations: [5],
    source_id: 5,
    source_path: 'source',
    fork_anchor: 4,
    fork_at: 7,
  };
  const asked = { ...CREATE, fork: { source_path: 'source', offset: at(4), sub_offset: 3 } };

  it.each<[string, LogCreate]>([
    ['by its offset', asked],
    ['without one', { ...asked, fork: { ...asked.fork, offset: undefined } }],
    ['with its content type', { ...asked, content_type: 'application/json; charset=utf-8' }],
  ])('is the fork that is asked for %s', (_, create) => {
    expect(() => requireSame(create, branch)).not.toThrow();
  });

  it.each<[string, LogCreate, string]>([
    ['no fork', { ...asked, content_type: 'application/json', fork: undefined }, 'source'],
    ['of another source', { ...asked, fork: { ...asked.fork, source_path: 'other' } }, 'source'],
    ['at another offset', { ...asked, fork: { ...asked.fork, offset: at(3) } }, 'fork offset'],
    ['at another sub-offset', { ...asked, fork: { ...asked.fork, sub_offset: 2 } }, 'fork offset'],
    ['closed', { ...asked, closed: true }, 'closed state'],
    ['of another type', { ...asked, content_type: 'text/plain' }, 'content type'],
    ['with a lifetime', { ...asked, lifetime: { ttl_seconds: 5 } }, 'lifetime'],
  ])('is not the one that is asked for %s', (_, create, difference) => {
    expect(() => requireSame(create, branch)).toThrow(
      expect.objectContaining({ code: 'stream_exists', members: { difference } }),
    );
  });
});
