import fc from 'fast-check';
import { logAt, offsetIn, type Content, type Model, type Request } from './log-model.js';

export const PATHS = ['a', 'b', 'c/d', 'e'];

/** What somebody does next; which offset, sequence or log that is depends on what was done before. */
export type Step =
  | { step: 'requests'; requests: Draft[] }
  | { step: 'follow'; process: number; path: string; at: number; slowly: boolean }
  | { step: 'expire'; path: string }
  | { step: 'take' | 'maintain' | 'cut' };

interface On {
  process: number;
  path: string;
}

export type Draft = On &
  (
    | { do: 'create'; content: Content; size: number; closed: boolean }
    | { do: 'fork'; source: string; at: number | null; sub: number }
    | { do: 'append'; size: number; close: boolean; mismatched: boolean; seq: string | null }
    | { do: 'produce'; size: number; close: boolean; id: string; how: 'next' | 'again' | 'skip' | 'restart' | 'late' }
    | { do: 'delete' }
    | { do: 'trim'; at: number }
    | { do: 'read'; at: number | null }
    | { do: 'read stale'; at: number }
  );

const process = fc.nat({ max: 1 });
const path = fc.constantFrom('a', 'a', 'b', 'b', 'c/d', 'e');
/** The first log stays, so that runs get somewhere. */
const passing = fc.constantFrom('b', 'c/d', 'e');
const at = fc.nat({ max: 60 });
const size = fc.nat({ max: 3 });
const seldom = fc.nat({ max: 9 }).map((n) => n === 9);
const content = fc.constantFrom<Content>('json', 'json', 'bytes');
const how = fc.constantFrom<'next' | 'again' | 'skip' | 'restart' | 'late'>(
  ...(['next', 'next', 'next', 'next', 'again', 'again', 'skip', 'restart', 'late'] as const),
);
const draft = <Name extends string, Rest extends object>(
  name: Name,
  rest: { [Key in keyof Rest]: fc.Arbitrary<Rest[Key]> },
) => fc.record({ do: fc.constant(name), process, path, ...rest }) as unknown as fc.Arbitrary<Draft>;

const request: fc.Arbitrary<Draft> = fc.oneof(
  { weight: 2, arbitrary: draft('create', { path: passing, content, size, closed: seldom }) },
  { weight: 4, arbitrary: draft('fork', { path: passing, source: path, at: fc.option(at), sub: size }) },
  {
    weight: 8,
    arbitrary: draft('append', {
      size: fc.nat({ max: 5 }),
      close: seldom,
      mismatched: seldom,
      seq: fc.option(fc.constantFrom('1', '10', '2', '3', 'a'), { freq: 3 }),
    }),
  },
  {
    weight: 8,
    arbitrary: draft('produce', { size: fc.nat({ max: 2 }), close: seldom, id: fc.constantFrom('p', 'q'), how }),
  },
  { weight: 2, arbitrary: draft('delete', { path: passing }) },
  { weight: 1, arbitrary: draft('trim', { at }) },
  { weight: 3, arbitrary: draft('read', { at: fc.option(at) }) },
  { weight: 2, arbitrary: draft('read stale', { at }) },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      step: fc.constant('requests' as const),
      requests: fc.array(request, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ step: fc.constant('follow' as const), process, path, at, slowly: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ step: fc.constantFrom('take' as const, 'maintain' as const, 'cut' as const) }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant('expire' as const), path: passing }) },
);

/** Some logs with something in them first, so that few steps are wasted on what is not there. */
export const steps: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 1, maxLength: 50, size: 'max' }).map((rest) => [
  ...PATHS.slice(0, 2).map((path, index): Step => {
    const create = { do: 'create', process: index, path, content: 'json', size: 3, closed: false } as const;
    return { step: 'requests', requests: [create] };
  }),
  ...rest,
]);

/** The messages of tests: each another number, so that one that is there twice or in another place is noticed. */
export class Numbers {
  private last = 0;

  units(content: Content, size: number): string[] {
    const numbers = Array.from({ length: size }, () => String(++this.last));
    return content === 'json' ? numbers : numbers.flatMap((number) => [...number, ';']);
  }
}

/** The request that a draft comes to; undefined for one that makes no sense now. */
export function requestOf(model: Model, numbers: Numbers, draft: Draft): Request | undefined {
  const { path } = draft;
  const log = logAt(model, path);
  switch (draft.do) {
    case 'create':
      return {
        do: 'create',
        path,
        content: draft.content,
        units: numbers.units(draft.content, draft.size),
        closed: draft.closed,
      };
    case 'fork': {
      const source = logAt(model, draft.source);
      const anchor = draft.at === null || !source ? undefined : offsetIn(source, draft.at % (source.units.length + 2));
      return { do: 'fork', path, source: draft.source, anchor, sub: anchor ? draft.sub : 0 };
    }
    case 'append': {
      const { close, size, mismatched, seq } = draft;
      const content = (log?.content === 'bytes') === mismatched ? 'json' : 'bytes';
      const units = numbers.units(content, close ? size : Math.max(1, size));
      return { do: 'append', path, content, units, close, ...(seq !== null && { seq }) };
    }
    case 'produce': {
      const { close, size, id } = draft;
      const content = log?.content ?? 'json';
      const producer = { id, ...placeOf(draft.how, log?.producers[id]) };
      const units = numbers.units(content, close ? size : Math.max(1, size));
      return producer.epoch < 0 || producer.seq < 0
        ? undefined
        : { do: 'append', path, content, units, close, producer };
    }
    case 'delete':
      return { do: 'delete', path };
    case 'trim':
      return { do: 'trim', path, upto: draft.at % ((log?.units.length ?? 0) + 2) };
    case 'read':
      if (draft.at === null || !log) return { do: 'read', path };
      return { do: 'read', path, at: offsetIn(log, draft.at % (log.units.length + 2)) };
    case 'read stale': {
      const stale = model.logs.find((other) => other.path === path && other.state === 'removed');
      return stale && { do: 'read', path, at: offsetIn(stale, draft.at % (stale.units.length + 1)) };
    }
  }
}

function placeOf(
  how: Extract<Draft, { do: 'produce' }>['how'],
  last = { epoch: 0, seq: -1 },
): { epoch: number; seq: number } {
  const { epoch, seq } = last;
  switch (how) {
    case 'next':
      return { epoch, seq: seq + 1 };
    case 'again':
      return { epoch, seq };
    case 'skip':
      return { epoch, seq: seq + 2 };
    case 'restart':
      return { epoch: epoch + 1, seq: 0 };
    case 'late':
      return { epoch: epoch - 1, seq: seq + 1 };
  }
}
