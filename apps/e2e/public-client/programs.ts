// What people write with the public client of Durable Streams, as it is on npm. Each program runs in Node and in a web
// page alike, on streams of its own, and gives what it saw as plain data (`expectations.ts` says what that must be).
import { DurableStream, DurableStreamError, IdempotentProducer, type CreateOptions } from '@durable-streams/client';

export interface Access {
  /** Of the api, without a path. */
  url: string;
  apiKey: string;
}

export type Live = 'long-poll' | 'sse';

const JSON_TYPE = 'application/json';
const range = (count: number) => Array.from({ length: count }, (_, n) => n);

async function createAppendRead(access: Access) {
  const log = await newStream(access, { contentType: JSON_TYPE });
  await log.append('{"n":1}');
  await Promise.all(['{"n":2}', '[3,"three"]', 'null'].map((value) => log.append(value)));
  const response = await log.stream({ live: false });
  const messages = await response.json();
  const { offset, upToDate } = response;
  return { messages, offset, upToDate, head: await log.head() };
}

async function createWithFirstMessages(access: Access) {
  const log = await newStream(access, { contentType: JSON_TYPE, body: '[{"n":1},{"n":2}]' });
  return (await log.stream({ live: false })).json();
}

/** Byte streams keep every byte, whatever the boundaries of appends. */
async function bytes(access: Access) {
  const log = await newStream(access, { contentType: 'application/octet-stream' });
  const all = Uint8Array.from(range(256));
  await log.append(all.subarray(0, 100));
  await log.append(all.subarray(100));
  return Array.from(await (await log.stream({ live: false })).body());
}

/** A stream of the Web platform is piped into a log. */
async function piping(access: Access) {
  const log = await newStream(access, { contentType: 'text/plain' });
  const parts = ['one ', 'two ', 'three'];
  await new ReadableStream<string>({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  }).pipeTo(log.writable());
  const response = await log.stream({ live: false });
  return { text: await response.text(), closed: response.streamClosed };
}

/** Many small appends under way at once stay in order; sent again they are not there twice. */
async function idempotentProducer(access: Access) {
  const log = await newStream(access, { contentType: JSON_TYPE });
  const onePerRequest = { maxBatchBytes: 1, maxInFlight: 5 };
  for (const count of [50, 60]) {
    const producer = new IdempotentProducer(log, 'a producer', onePerRequest);
    for (const n of range(count)) producer.append(String(n));
    await producer.flush();
    await producer.detach();
  }
  return (await log.stream({ live: false })).json();
}

/** A producer that somebody replaced learns of it; one that may claim goes on in a new epoch. */
async function replacedProducer(access: Access) {
  const log = await newStream(access, { contentType: JSON_TYPE });
  const errors: string[] = [];
  const started = (name: string, options = {}) => {
    const onError = (error: Error) => void errors.push(`${name}: ${error.name}`);
    return new IdempotentProducer(log, 'one id', { maxInFlight: 1, onError, ...options });
  };
  const write = async (producer: IdempotentProducer, text: string) => {
    producer.append(JSON.stringify(text));
    await producer.flush().catch(() => undefined);
  };
  const first = started('first');
  const second = started('second', { epoch: 1 });
  const third = started('third', { autoClaim: true });
  await write(first, 'of the first');
  await write(second, 'of the second');
  await write(first, 'too late');
  await write(third, 'of the third');
  await write(second, 'too late');
  return { messages: await (await log.stream({ live: false })).json(), errors, epoch: third.epoch };
}

/** Each message is written when its reader has everything before it and waits. */
async function followJson(access: Access, live: Live = 'sse') {
  const log = await newStream(access, { contentType: JSON_TYPE });
  const messages = [{ text: 'first' }, { text: 'two\r\nlines\n\n' }, { text: 'ünïcödé 🛟' }];
  const coming = messages.map((message) => JSON.stringify(message));
  const seen: unknown[] = [];
  const response = await log.stream({ live });
  response.subscribeJson(async ({ items, upToDate }) => {
    seen.push(...items);
    if (upToDate) await writeNext(log, coming);
  });
  await response.closed;
  return { seen, closed: response.streamClosed };
}

/** As `followJson`, for bytes that are no text: over SSE they travel as base64. */
async function followBytes(access: Access, live: Live = 'sse') {
  const log = await newStream(access, { contentType: 'application/octet-stream' });
  const coming = range(3).map((n) => Uint8Array.from([n, 0, 255, 10, 13]));
  const seen: number[] = [];
  const response = await log.stream({ live });
  response.subscribeBytes(async ({ data, upToDate }) => {
    seen.push(...data);
    if (upToDate) await writeNext(log, coming);
  });
  await response.closed;
  return { seen, closed: response.streamClosed };
}

async function writeNext(log: DurableStream, coming: (string | Uint8Array)[]): Promise<void> {
  const next = coming.shift();
  if (next === undefined) await log.close();
  else await log.append(next);
}

/** A reader that leaves half way goes on where it was, in another mode too, and misses and repeats nothing. */
async function resume(access: Access) {
  const log = await newStream(access, { contentType: JSON_TYPE });
  const readFrom = async (offset: string, live: Live, count: number) => {
    const seen: unknown[] = [];
    const response = await log.stream({ offset, live });
    const reached = await new Promise<string>((resolve) => {
      response.subscribeJson((batch) => {
        seen.push(...batch.items);
        if (seen.length >= count) resolve(batch.offset);
      });
    });
    response.cancel();
    return { seen, offset: reached };
  };
  await log.append('1');
  await log.append('2');
  const first = await readFrom('-1', 'sse', 2);
  await log.append('3');
  const second = await readFrom(first.offset, 'long-poll', 1);
  await log.append('4');
  const third = await readFrom(second.offset, 'sse', 1);
  return [first.seen, second.seen, third.seen];
}

/** From `now` on, a reader sees only what comes. */
async function onlyWhatComes(access: Access, live: Live = 'sse') {
  const log = await newStream(access, { contentType: JSON_TYPE });
  await log.append('"before"');
  const coming = ['"after"'];
  const seen: unknown[] = [];
  const response = await log.stream({ offset: 'now', live });
  response.subscribeJson(async ({ items, upToDate }) => {
    seen.push(...items);
    if (upToDate) await writeNext(log, coming);
  });
  await response.closed;
  return seen;
}

/** A history that takes many requests to write comes back whole and in order. */
async function longHistory(access: Access) {
  const log = await newStream(access, { contentType: JSON_TYPE });
  const producer = new IdempotentProducer(log, 'historian', { maxInFlight: 5, maxBatchBytes: 64 * 1024 });
  const padding = 'x'.repeat(1000);
  for (const n of range(3000)) producer.append(JSON.stringify({ n, padding }));
  await producer.flush();
  const read = async (live: boolean) => {
    const messages = await (await log.stream<{ n: number }>({ live })).json();
    return { count: messages.length, inOrder: messages.every(({ n }, index) => n === index) };
  };
  return { byDefault: await read(true), catchUpOnly: await read(false) };
}

async function close(access: Access) {
  const log = await newStream(access, { contentType: JSON_TYPE });
  await log.append('"first"');
  const { finalOffset } = await log.close({ body: '"last"' });
  const again = await log.close();
  const late = await failureOf(log.append('"late"'));
  const response = await log.stream({ live: 'sse' });
  const messages = await response.json();
  const ends = new Set([finalOffset, again.finalOffset, response.offset]);
  return { messages, closed: response.streamClosed, ends: ends.size, late };
}

/** A fork shares what was there, and neither sees what the other gets from then on. */
async function fork(access: Access) {
  const source = await newStream(access, { contentType: JSON_TYPE });
  await source.append('"shared"');
  const { offset } = (await source.head()) as { offset: string };
  await source.append('"only in the source"');
  const forked = await newStream(access, {
    contentType: JSON_TYPE,
    headers: { 'Stream-Forked-From': new URL(source.url).pathname, 'Stream-Fork-Offset': offset },
  });
  await forked.append('"only in the fork"');
  const read = async (log: DurableStream) => (await log.stream({ live: false })).json();
  return { source: await read(source), fork: await read(forked) };
}

async function deleteStream(access: Access) {
  const log = await newStream(access, { contentType: 'text/plain', body: 'gone soon' });
  await log.delete();
  return { read: await failureOf(log.stream({ live: false })), head: await log.head() };
}

/** What goes wrong reaches the program as the client's own errors. */
async function refusals(access: Access) {
  const log = await newStream(access, { contentType: JSON_TYPE });
  await log.append('1', { seq: 'b' });
  const stranger = new DurableStream({ ...optionsOf({ ...access, apiKey: 'wrong' }), url: log.url });
  return {
    'an older Stream-Seq': await failureOf(log.append('2', { seq: 'a' })),
    'another content type': await failureOf(log.create({ contentType: 'text/plain' })),
    'not JSON': await failureOf(log.append('{')),
    'an unknown stream': await failureOf(new DurableStream(optionsOf(access)).stream({ live: false })),
    'a wrong key': await failureOf(stranger.append('3')),
    'a wrong key, reading': await failureOf(stranger.stream({ live: false })),
  };
}

async function failureOf(doing: Promise<unknown>): Promise<string> {
  try {
    await doing;
    return 'no error';
  } catch (error) {
    if (error instanceof DurableStreamError) return `${error.name} ${error.code}`;
    return error instanceof Error ? `${error.name} ${(error as { status?: number }).status ?? error.message}` : 'odd';
  }
}

function newStream(access: Access, options: Omit<CreateOptions, 'url'>): Promise<DurableStream> {
  const { url, headers, warnOnHttp } = optionsOf(access);
  return DurableStream.create({ url, warnOnHttp, ...options, headers: { ...headers, ...options.headers } });
}

function optionsOf({ url, apiKey }: Access) {
  return {
    url: `${url}/v1/stream/public-client/${crypto.randomUUID()}`,
    headers: { Authorization: `Bearer ${apiKey}` },
    warnOnHttp: false,
  };
}

export const programs = {
  createAppendRead,
  createWithFirstMessages,
  bytes,
  piping,
  idempotentProducer,
  replacedProducer,
  followJson,
  followBytes,
  resume,
  onlyWhatComes,
  longHistory,
  close,
  fork,
  deleteStream,
  refusals,
} satisfies Record<string, (access: Access, live?: Live) => Promise<unknown>>;
