/** The logs of one project as somebody would keep them who has one process, endless memory and no failures. */
export interface Model {
  logs: ModelLog[];
}

export interface ModelLog {
  path: string;
  state: 'live' | 'deleted' | 'expired' | 'removed';
  content: Content;
  /** As the real log has it. */
  generation: number;
  /** First half of the offset after so many units; a fork takes over those of its source. */
  generations: number[];
  /** All from position 0, those of its source included: a JSON text or a byte each. */
  units: string[];
  first: number;
  closed: boolean;
  producers: Record<string, { epoch: number; seq: number }>;
  last_seq?: string;
  fork?: { source: ModelLog; anchor: number; sub: number };
}

export type Content = 'json' | 'bytes';

export interface ModelOffset {
  position: number;
  generation: number;
}

export type Request =
  | { do: 'create'; path: string; content: Content; units: string[]; closed: boolean }
  | { do: 'fork'; path: string; source: string; anchor?: ModelOffset; sub: number }
  | {
      do: 'append';
      path: string;
      content: Content;
      units: string[];
      close: boolean;
      producer?: { id: string; epoch: number; seq: number };
      seq?: string;
    }
  | { do: 'delete'; path: string }
  | { do: 'trim'; path: string; upto: number }
  | { do: 'read'; path: string; at?: ModelOffset };

/** What a caller learns. `generation` is told by the real log and taken over by the model. */
export type Answer =
  | { kind: 'refused'; code: string }
  | { kind: 'created' | 'found'; tail: number; closed: boolean; generation: number }
  | { kind: 'appended'; tail: number }
  | { kind: 'duplicate'; tail: number; seq?: number }
  | { kind: 'deleted' }
  | { kind: 'trimmed'; first: number }
  | { kind: 'read'; units: string[] };

export function copyOf({ logs }: Model): Model {
  const copies = logs.map((log) => ({
    ...log,
    units: [...log.units],
    generations: [...log.generations],
    producers: { ...log.producers },
  }));
  for (const copy of copies) {
    if (copy.fork) copy.fork = { ...copy.fork, source: copies[logs.indexOf(copy.fork.source)]! };
  }
  return { logs: copies };
}

const refused = (code: string): Answer => ({ kind: 'refused', code });

/** What stands at a path. */
export const logAt = ({ logs }: Model, path: string): ModelLog | undefined =>
  logs.find((log) => log.path === path && log.state !== 'removed');

/** The offset after so many units, as it is told. */
export const offsetIn = ({ generation, generations }: ModelLog, position: number): ModelOffset => ({
  position,
  generation: generations[position] ?? generation,
});

const isOffsetOf = (log: ModelLog, { position, generation }: ModelOffset) =>
  generation === log.generation || generation === offsetIn(log, position).generation;

const forksOf = ({ logs }: Model, source: ModelLog) =>
  logs.filter((log) => log.fork?.source === source && log.state !== 'removed');

/** Does what is asked for and tells the answer to it. `generation` is that of the log which it makes, if any. */
export function answer(model: Model, request: Request, generation: number): Answer {
  switch (request.do) {
    case 'create':
      return create(model, request, generation);
    case 'fork':
      return fork(model, request, generation);
    case 'append':
      return append(model, request);
    case 'delete':
      return remove(model, request.path);
    case 'trim':
      return trim(model, request);
    case 'read':
      return read(model, request);
  }
}

type Of<Name extends Request['do']> = Extract<Request, { do: Name }>;

function create(model: Model, { path, content, units, closed }: Of<'create'>, generation: number): Answer {
  const present = logAt(model, path);
  if (present?.state === 'live') {
    const isSame = !present.fork && present.content === content && present.closed === closed;
    return isSame ? found(present) : refused('stream_exists');
  }
  return place(model, { ...holding(empty(path, content, generation), units), closed });
}

function fork(model: Model, { path, source: name, anchor, sub }: Of<'fork'>, generation: number): Answer {
  const present = logAt(model, path);
  if (present?.state === 'live') {
    const isSame =
      present.fork?.source.path === name &&
      present.fork.sub === sub &&
      !present.closed &&
      (!anchor || (anchor.position === present.fork.anchor && isOffsetOf(present, anchor)));
    return isSame ? found(present) : refused('stream_exists');
  }
  const source = logAt(model, name);
  if (!source || source.state === 'expired') return refused('stream_not_found');
  if (source.state === 'deleted') return refused('stream_path_blocked');
  const position = anchor?.position ?? source.units.length;
  if ((anchor && !isOffsetOf(source, anchor)) || position > source.units.length) {
    return refused('offset_beyond_tail');
  }
  if (position < source.first) return refused('offset_gone');
  if (position + sub > source.units.length) return refused('stream_create_invalid');
  return place(model, {
    ...empty(path, source.content, generation),
    units: source.units.slice(0, position + sub),
    generations: source.generations.slice(0, position + sub + 1),
    first: source.first,
    fork: { source, anchor: position, sub },
  });
}

const empty = (path: string, content: Content, generation: number): ModelLog => ({
  path,
  state: 'live',
  content,
  generation,
  generations: [generation],
  units: [],
  first: 0,
  closed: false,
  producers: {},
});

/** With units appended. */
function holding(log: ModelLog, units: string[]): ModelLog {
  log.units.push(...units);
  log.generations.push(...units.map(() => log.generation));
  return log;
}

const found = ({ units, closed, generation }: ModelLog): Answer => ({
  kind: 'found',
  tail: units.length,
  closed,
  generation,
});

function place(model: Model, log: ModelLog): Answer {
  const present = logAt(model, log.path);
  if (present && (present.state === 'deleted' || forksOf(model, present).length > 0)) {
    return refused('stream_path_blocked');
  }
  if (present) forget(model, present);
  model.logs.push(log);
  return { kind: 'created', tail: log.units.length, closed: log.closed, generation: log.generation };
}

function append(model: Model, { path, content, units, close, producer, seq }: Of<'append'>): Answer {
  const log = logAt(model, path);
  if (!log || log.state === 'expired') return refused('stream_not_found');
  if (log.state === 'deleted') return refused('stream_deleted');
  const last = producer && log.producers[producer.id];
  const tail = log.units.length;
  if (producer && last?.epoch === producer.epoch && producer.seq <= last.seq) {
    return { kind: 'duplicate', tail, seq: last.seq };
  }
  if (log.closed) {
    return close && !units.length && !producer ? { kind: 'duplicate', tail } : refused('stream_closed');
  }
  if (units.length && content !== log.content) return refused('content_type_mismatch');
  if (producer && last && producer.epoch < last.epoch) return refused('producer_epoch_stale');
  if (producer && last && producer.epoch > last.epoch && producer.seq > 0) {
    return refused('producer_epoch_must_start_at_zero');
  }
  const expected = last?.epoch === producer?.epoch ? (last?.seq ?? -1) + 1 : 0;
  if (producer && producer.seq !== expected) return refused('producer_sequence_gap');
  if (seq !== undefined && log.last_seq !== undefined && seq <= log.last_seq) return refused('stream_seq_stale');

  holding(log, units).closed = close;
  if (producer) log.producers[producer.id] = { epoch: producer.epoch, seq: producer.seq };
  if (seq !== undefined) log.last_seq = seq;
  return { kind: 'appended', tail: log.units.length };
}

function remove(model: Model, path: string): Answer {
  const log = logAt(model, path);
  if (!log || log.state === 'expired') return refused('stream_not_found');
  if (log.state === 'deleted') return refused('stream_deleted');
  forget(model, log);
  return { kind: 'deleted' };
}

/** A log that forks read from is only hidden; with the last of them what is hidden goes too. */
export function forget(model: Model, log: ModelLog): void {
  if (forksOf(model, log).length > 0) {
    log.state = 'deleted';
    return;
  }
  log.state = 'removed';
  if (log.fork?.source.state === 'deleted') forget(model, log.fork.source);
}

function trim(model: Model, { path, upto }: Of<'trim'>): Answer {
  const log = logAt(model, path);
  if (log?.state !== 'live') return refused('stream_not_found');
  if (forksOf(model, log).length === 0) log.first = Math.max(log.first, Math.min(upto, log.units.length));
  return { kind: 'trimmed', first: log.first };
}

function read(model: Model, { path, at }: Of<'read'>): Answer {
  const log = logAt(model, path);
  if (!log || log.state === 'expired') return refused('stream_not_found');
  if (log.state === 'deleted') return refused('stream_deleted');
  if (!at) return { kind: 'read', units: log.units.slice(log.first) };
  if (!isOffsetOf(log, at) || at.position < log.first) return refused('offset_gone');
  if (at.position > log.units.length) return refused('offset_beyond_tail');
  return { kind: 'read', units: log.units.slice(at.position) };
}
