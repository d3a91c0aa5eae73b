import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import path from 'node:path';
import { HoldfastClient, type NativeChange } from '@holdfast/client';
import { createDataSource } from '@holdfast/platform-postgres';
import { eventually } from '@holdfast/testing';
import type { DataSource } from 'typeorm';
import {
  digestOf,
  NATIVE,
  NativeApi,
  ORIGIN,
  partsOf,
  sha256,
  statesOf,
  wholePart,
  type Grant,
  type Part,
} from './native-fixture.js';
import { startStack, type Stack } from './stack.js';

const MIB = 1024 * 1024;
const LIMIT_MIB = 64;

let stack: Stack;
let api: NativeApi;
let user: string;
let database: DataSource;

beforeAll(async () => {
  stack = await startStack({
    runner: false,
    env: {
      LEASE_SECONDS: '120',
      NATIVE_TRANSCRIPT_MAX_MIB: String(LIMIT_MIB),
      BLOB_ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
    },
  });
  api = new NativeApi(stack);
  user = stack.keys.api_key;
  database = await createDataSource(
    { url: stack.databaseUrl(), poolSize: 2, applicationName: 'test' },
    [],
  ).initialize();
}, 120_000);
afterAll(async () => {
  await database?.destroy();
  await stack?.stop();
}, 60_000);

const TURNS = [
  ['{"prompt":"one"}', '{"reply":"ONE"}'],
  ['{"prompt":"two"}', '{"call":"ls"}', '{"result":"a b"}', '{"reply":"TWO"}'],
  ['{"prompt":"three"}', '{"reply":"THREE"}'],
];
const upTo = (turns: number) => TURNS.slice(0, turns).flat();

const aConversation = () => ({ session_id: `s-${randomUUID()}`, native_id: randomUUID() });
type Names = ReturnType<typeof aConversation>;

const turnOf = ({ turn_id, epoch }: Grant) => ({ turn_id, epoch });

/** A conversation with its first turn pushed as version 1. */
async function pushed(names: Names = aConversation()): Promise<Names & { conversation_id: string }> {
  const { code, json } = await api.save(user, names, null, partsOf('main.jsonl', [upTo(1)]));
  expect(code).toBeUndefined();
  return { ...names, conversation_id: json['conversation_id'] as string };
}

const blobFiles = () =>
  readdirSync(path.join(stack.folder, 'blobs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));

/** The file of the blob with that content. */
const blobOf = ({ sha256: hash }: Part) => blobFiles().find((file) => file.includes(hash))!;

describe('a save', () => {
  it('N1: makes a conversation, and continues it by what is new', async () => {
    const { session_id, native_id } = await pushed();
    const second = await api.save(user, { session_id, native_id }, 1, partsOf('main.jsonl', [TURNS[1]!], upTo(1)));
    expect(second).toMatchObject({ code: undefined, etag: '"2"', json: { version: 2, parent_version: 1 } });
    expect(await api.lines(user, { session_id })).toEqual(upTo(2));
    expect(await api.lines(user, { session_id, version: '1' })).toEqual(upTo(1));
  });

  it('N1: of one more turn moves what the turn added, and the answers stay small', async () => {
    const names = aConversation();
    const old = Array.from({ length: 2_000 }, (_, n) => JSON.stringify({ n, text: randomBytes(500).toString('hex') }));
    const runs = Array.from({ length: 20 }, (_, n) => old.slice(n * 100, n * 100 + 100));
    await api.save(user, names, null, partsOf('main.jsonl', runs));
    const [part] = partsOf('main.jsonl', [TURNS[1]!], old);
    const opened = await api.open(user, names, 1);
    await api.part(user, opened.json['save_id'], part!);
    const { json } = await api.finish(user, opened.json['save_id'], statesOf([part!]));
    expect(json).toMatchObject({ version: 2, added_bytes: part!.data.length });
    const answered = JSON.stringify(opened.json).length + JSON.stringify(json).length;
    expect(answered + part!.data.length).toBeLessThan((json['bytes'] as number) / 100);
  });

  it.each([
    ['nothing', {}, 428, 'precondition_required'],
    ['both', { 'if-match': '"1"', 'if-none-match': '*' }, 400, 'precondition_malformed'],
    ['a weak tag', { 'if-match': 'W/"1"' }, 400, 'precondition_malformed'],
    ['any version', { 'if-match': '*' }, 400, 'precondition_malformed'],
    ['If-None-Match of one that is there', { 'if-none-match': '*' }, 412, 'version_conflict'],
    ['another version', { 'if-match': '"7"' }, 412, 'version_conflict'],
  ])('N2: begins with a precondition: %s is refused', async (_, headers, status, code) => {
    const { session_id, native_id } = await pushed();
    const open = { session_id, native_id, harness: 'claude', origin: ORIGIN };
    const answer = await api.call('POST', NATIVE, user, open, headers);
    expect([answer.status, answer.code]).toEqual([status, code]);
    if (code === 'version_conflict') expect(answer.json).toMatchObject({ current_version: 1 });
  });

  it('N2: of a conversation that is not there cannot continue it', async () => {
    const answer = await api.open(user, aConversation(), 1);
    expect(answer).toMatchObject({ status: 412, json: { code: 'version_conflict', current_version: null } });
  });

  it.each([
    ['that make it', null],
    ['that continue it', 1],
  ])('N3: of several %s at once exactly one wins', async (_, base) => {
    const names = base === null ? aConversation() : await pushed();
    const before = upTo(base ?? 0);
    const { session_id, native_id } = names;
    const saves = await Promise.all(
      Array.from({ length: 5 }, async (__, n) => {
        const opened = await api.open(user, { session_id, native_id }, base);
        const parts = partsOf('main.jsonl', [[JSON.stringify({ by: n })]], before);
        await api.part(user, opened.json['save_id'], parts[0]!);
        return { save_id: opened.json['save_id'], parts };
      }),
    );
    const answers = await Promise.all(saves.map(({ save_id, parts }) => api.finish(user, save_id, statesOf(parts))));
    expect(answers.map(({ code }) => code ?? 'ok').sort()).toEqual(['ok', ...Array(4).fill('version_conflict')]);
    const winner = answers.findIndex(({ code }) => code === undefined);
    expect(await api.lines(user, { session_id })).toEqual([...before, JSON.stringify({ by: winner })]);
  });

  it('N4: answers a part and a finish that are sent again as it did before', async () => {
    const names = aConversation();
    const { json } = await api.open(user, names, null);
    const parts = partsOf('main.jsonl', [upTo(1)]);
    const first = await api.part(user, json['save_id'], parts[0]!);
    expect(await api.part(user, json['save_id'], parts[0]!)).toEqual(first);
    const finished = await api.finish(user, json['save_id'], statesOf(parts));
    expect(await api.finish(user, json['save_id'], statesOf(parts))).toEqual(finished);
    expect((await api.manifest(user, names)).json['version']).toEqual(finished.json);
  });

  it('N4: of nothing new makes no version', async () => {
    const { session_id, native_id } = await pushed();
    const { json } = await api.save(user, { session_id, native_id }, 1, []);
    expect(json).toMatchObject({ version: 1 });
  });

  it('N5: shows nothing before it is finished', async () => {
    const names = await pushed();
    const { json } = await api.open(user, { session_id: names.session_id, native_id: names.native_id }, 1);
    await api.part(user, json['save_id'], partsOf('main.jsonl', [TURNS[1]!], upTo(1))[0]!);
    expect(await api.lines(user, { session_id: names.session_id })).toEqual(upTo(1));
    expect((await api.manifest(user, { conversation_id: names.conversation_id })).etag).toBe('"1"');
  });

  it('N5: that the api is killed in leaves what was there, and can go on where its answers ended', async () => {
    const { session_id, native_id } = await pushed();
    const restart = async () => {
      await stack.api.kill();
      await stack.api.start();
      expect(await api.lines(user, { session_id })).toEqual(upTo(1));
    };
    const parts = partsOf('main.jsonl', [TURNS[1]!, TURNS[2]!], upTo(1));
    const { json } = await api.open(user, { session_id, native_id }, 1);
    await restart();
    await api.part(user, json['save_id'], parts[0]!);
    await restart();
    await halfOf(json['save_id'], parts[1]!);
    await restart();
    await api.part(user, json['save_id'], parts[1]!);
    const finishing = api.finish(user, json['save_id'], statesOf(parts)).catch(() => undefined);
    await stack.api.kill();
    await finishing;
    await stack.api.start();
    expect([upTo(1), upTo(3)]).toContainEqual(await api.lines(user, { session_id }));
    expect(await api.finish(user, json['save_id'], statesOf(parts))).toMatchObject({ json: { version: 2 } });
    expect(await api.lines(user, { session_id })).toEqual(upTo(3));
  }, 120_000);

  /** Sends half of a part, and is on its way when this resolves. */
  async function halfOf(save_id: unknown, { data, ...part }: Part): Promise<void> {
    const query = new URLSearchParams(Object.entries(part).map(([name, value]) => [name, String(value)]));
    const url = `${stack.url}${NATIVE}/saves/${String(save_id)}/parts?${query}`;
    const headers = { authorization: `Bearer ${user}`, 'content-length': data.length };
    const sending = request(url, { method: 'PUT', headers });
    sending.on('error', () => undefined);
    await new Promise<void>((sent) => sending.write(data.subarray(0, data.length / 2), () => sent()));
  }

  it.each<[string, (part: Part) => Partial<Part>]>([
    ['another sha256', () => ({ sha256: sha256('x') })],
    ['another number of lines', () => ({ lines: 3 })],
    [
      'a last line without its end',
      ({ data }) => ({ data: data.subarray(0, -1), sha256: sha256(data.subarray(0, -1)) }),
    ],
  ])('N6: refuses a part with %s than it is said to have', async (_, change) => {
    const { json } = await api.open(user, aConversation(), null);
    const [part] = partsOf('main.jsonl', [upTo(1)]);
    const answer = await api.part(user, json['save_id'], { ...part!, ...change(part!) });
    expect([answer.status, answer.code]).toEqual([422, 'native_part_refused']);
  });

  it('N6: refuses another part at the line of one that it has', async () => {
    const { json } = await api.open(user, aConversation(), null);
    await api.part(user, json['save_id'], partsOf('main.jsonl', [upTo(1)])[0]!);
    const answer = await api.part(user, json['save_id'], partsOf('main.jsonl', [TURNS[1]!])[0]!);
    expect(answer.code).toBe('native_part_refused');
  });

  it.each<[string, (parts: Part[]) => { put: Part[]; files: object[] }]>([
    ['that a part is missing of', (parts) => ({ put: [parts[0]!, parts[2]!], files: statesOf(parts) })],
    [
      'that ends at another digest',
      (parts) => ({ put: parts, files: [{ ...statesOf(parts)[0]!, digest: sha256('x') }] }),
    ],
    ['that is not named', (parts) => ({ put: parts, files: [] })],
    ['that nothing was sent of', () => ({ put: [], files: statesOf(partsOf('main.jsonl', [upTo(1)])) })],
  ])('N6: makes no version of a file %s', async (_, of) => {
    const names = aConversation();
    const { json } = await api.open(user, names, null);
    const { put, files } = of(partsOf('main.jsonl', TURNS));
    for (const part of put) expect((await api.part(user, json['save_id'], part)).code).toBeUndefined();
    expect(await api.finish(user, json['save_id'], files)).toMatchObject({
      status: 422,
      code: 'native_save_incomplete',
    });
    expect((await api.manifest(user, names)).code).toBe('resume_state_missing');
  });

  it.each([
    '../x',
    'a/../b',
    '/etc/passwd',
    './a',
    'a//b',
    'a/',
    '',
    'a\\b',
    'a\0b',
    'a\nb',
    'manifest.json',
    'a'.repeat(300),
  ])('N7: refuses a file named %j', async (name) => {
    const { json } = await api.open(user, aConversation(), null);
    const answer = await api.part(user, json['save_id'], { ...partsOf('main.jsonl', [upTo(1)])[0]!, name });
    expect([answer.status, answer.code]).toEqual([400, 'request_invalid']);
  });

  it('N7: keeps files with spaces, quotes and any script in their names', async () => {
    const names = aConversation();
    const name = `tool-results/it's "a" файл 結果 ${'x'.repeat(150)}.txt`;
    expect((await api.save(user, names, null, [wholePart(name, 'no end')])).code).toBeUndefined();
    const { files } = await stack.client.readNativeFiles({ session_id: names.session_id });
    for await (const { mark, data } of files) {
      const pieces = [];
      for await (const piece of data) pieces.push(Buffer.from(piece));
      expect([mark.name, Buffer.concat(pieces).toString()]).toEqual([name, 'no end']);
    }
  });

  it('replaces a whole file, and keeps the one that there was in the versions before', async () => {
    const names = aConversation();
    const main = partsOf('main.jsonl', [upTo(1)]);
    await api.save(user, names, null, [...main, wholePart('todos/1.json', '[]'), wholePart('meta.json', '{}')]);
    await api.save(user, names, 1, [wholePart('todos/1.json', '[1]')]);
    const digests = async (version: string) => {
      const { json } = await api.manifest(user, { session_id: names.session_id, version });
      return (json['files'] as { name: string; digest: string }[]).map(({ name, digest }) => [name, digest]);
    };
    const others = [
      ['main.jsonl', digestOf(upTo(1))],
      ['meta.json', sha256('{}')],
    ];
    expect(await digests('1')).toEqual([...others, ['todos/1.json', sha256('[]')]]);
    expect(await digests('2')).toEqual([...others, ['todos/1.json', sha256('[1]')]]);
  });

  it('N8: refuses a part of more than 16 MiB', async () => {
    const { json } = await api.open(user, aConversation(), null);
    const answer = await api.part(user, json['save_id'], wholePart('x.bin', 'x'.repeat(16 * MIB + 1)));
    expect(answer).toMatchObject({ status: 413, json: { code: 'transcript_too_large', limit_bytes: 16 * MIB } });
  });

  it('N8: refuses more than a conversation may have, and says how much that is', async () => {
    const names = aConversation();
    const { json } = await api.open(user, names, null);
    const line = 'x'.repeat(15 * MIB);
    const parts = partsOf('main.jsonl', [[line], [line], [line], [line], [line]]);
    const codes = [];
    for (const part of parts) codes.push(await api.part(user, json['save_id'], part));
    expect(codes.slice(0, 4).map(({ code }) => code)).toEqual(Array(4).fill(undefined));
    expect(codes[4]).toMatchObject({
      status: 413,
      json: { code: 'transcript_too_large', limit_bytes: LIMIT_MIB * MIB },
    });
  }, 60_000);
});

describe('a divergence', () => {
  const OTHER = ['{"prompt":"two, otherwise"}', '{"reply":"OTHER"}'];

  async function diverged(options: { key?: string; turn?: object; becomes_main?: boolean } = {}) {
    const { session_id, native_id, conversation_id } = await pushed();
    await api.save(user, { session_id, native_id }, 1, partsOf('main.jsonl', [TURNS[1]!], upTo(1)));
    const branch = { from_version: 2, keep: [{ name: 'main.jsonl', lines: 2 }] };
    const open = { session_id, native_id, branch };
    const parts = partsOf('main.jsonl', [OTHER], upTo(1));
    const again = (more = {}) => api.save(user, { ...open, ...more }, 2, parts);
    return { session_id, native_id, conversation_id, open, parts, again, options };
  }

  it('N9: makes a branch from what both have in common, and the next turn goes on with the one that there was', async () => {
    const { session_id, conversation_id, again } = await diverged();
    const { json } = await again();
    expect(json).toMatchObject({ version: 3, parent_version: 2 });
    const branch_id = json['branch_id'] as string;
    expect(await api.lines(user, { session_id })).toEqual(upTo(2));
    expect(await api.lines(user, { conversation_id, branch_id })).toEqual([...upTo(1), ...OTHER]);
    const { json: listed } = await api.call('POST', `${NATIVE}/query`, user, { session_id });
    expect(listed['data']).toMatchObject([
      {
        version: 2,
        is_head: true,
        branches: [
          { is_main: true, version: 2, from_version: null },
          { branch_id, is_main: false, version: 3, from_version: 2 },
        ],
      },
    ]);
  });

  it('N9: both branches go on by themselves', async () => {
    const { session_id, native_id, conversation_id, again } = await diverged();
    const branch_id = (await again()).json['branch_id'] as string;
    const more = partsOf('main.jsonl', [['{"prompt":"four"}']], [...upTo(1), ...OTHER]);
    expect((await api.save(user, { session_id, native_id, branch_id }, 3, more)).json).toMatchObject({ version: 4 });
    const main = partsOf('main.jsonl', [TURNS[2]!], upTo(2));
    expect((await api.save(user, { session_id, native_id }, 2, main)).json).toMatchObject({ version: 5 });
    expect(await api.lines(user, { session_id })).toEqual(upTo(3));
    expect(await api.lines(user, { conversation_id, branch_id })).toEqual([...upTo(1), ...OTHER, '{"prompt":"four"}']);
  });

  it('N9: that was saved before is the branch that it made then', async () => {
    const { again } = await diverged();
    const first = await again();
    expect((await again()).json).toEqual(first.json);
  });

  it('N9: cannot keep a part of a chunk', async () => {
    const { again } = await diverged();
    const branch = { from_version: 2, keep: [{ name: 'main.jsonl', lines: 1 }] };
    expect(await again({ branch })).toMatchObject({ status: 422, code: 'native_part_refused' });
  });

  it('N9: of a live turn can become what the next turn goes on with, one of a push cannot', async () => {
    const { session_id, native_id, open, again, parts } = await diverged();
    const branch = { ...open.branch, becomes_main: true };
    expect(await again({ branch })).toMatchObject({ status: 403, code: 'credential_kind' });
    const grant = await (await api.runner()).start(session_id);
    const own = { session_id, native_id, ...turnOf(grant), branch };
    expect((await api.save(grant.credential, own, 2, parts, 'turn_end')).json).toMatchObject({ version: 3 });
    expect(await api.lines(user, { session_id })).toEqual([...upTo(1), ...OTHER]);
  });
});

describe('who may save', () => {
  it('N10: a turn under its credential, and the next turn is granted what it saved', async () => {
    const names = aConversation();
    const runner = await api.runner();
    const grant = await runner.start(names.session_id);
    const open = { ...names, ...turnOf(grant) };
    const parts = partsOf('main.jsonl', [upTo(1)]);
    const { json } = await api.save(grant.credential, open, null, parts, 'turn_end');
    expect(json).toMatchObject({ turn_id: grant.turn_id, created_by_id: null, save_point: 'turn_end' });
    expect(await api.lines(grant.credential, { session_id: names.session_id })).toEqual(upTo(1));
    await runner.complete(grant);
    const next = await runner.start(names.session_id);
    expect(next.resume_conversation).toMatchObject({ harness: 'claude', native_id: names.native_id });
  });

  it.each(['open', 'part', 'finish'] as const)(
    'N10: a turn whose epoch has moved is refused at its %s',
    async (step) => {
      const names = aConversation();
      const runner = await api.runner();
      const grant = await runner.start(names.session_id);
      const open = { ...names, ...turnOf(grant) };
      const parts = partsOf('main.jsonl', [upTo(1)]);
      const opened = await api.open(grant.credential, open, null);
      if (step === 'finish') await api.part(grant.credential, opened.json['save_id'], parts[0]!);
      await runner.detach(grant);
      const answer = await {
        open: () => api.open(grant.credential, open, null),
        part: () => api.part(grant.credential, opened.json['save_id'], parts[0]!),
        finish: () => api.finish(grant.credential, opened.json['save_id'], statesOf(parts)),
      }[step]();
      expect([answer.status, answer.code]).toEqual([403, 'stale_epoch']);
      expect((await api.manifest(user, names)).code).toBe('resume_state_missing');
    },
  );

  it('N10: a turn that has ended saves nothing more, and its finish is still answered', async () => {
    const names = aConversation();
    const runner = await api.runner();
    const grant = await runner.start(names.session_id);
    const open = { ...names, ...turnOf(grant) };
    const { json } = await api.open(grant.credential, open, null);
    const parts = partsOf('main.jsonl', [upTo(1)]);
    await api.part(grant.credential, json['save_id'], parts[0]!);
    const finished = await api.finish(grant.credential, json['save_id'], statesOf(parts));
    await runner.complete(grant);
    expect((await api.open(grant.credential, open, 1)).code).toBe('turn_not_live');
    expect(await api.finish(grant.credential, json['save_id'], statesOf(parts))).toEqual(finished);
  });

  it('N11: nobody but the turn goes on with its save, nor a turn with that of a push', async () => {
    const runner = await api.runner();
    const names = await pushed();
    const { json: push } = await api.open(user, { session_id: names.session_id, native_id: names.native_id }, 1);
    const grant = await runner.start(names.session_id);
    const open = { ...aConversation(), session_id: names.session_id, ...turnOf(grant) };
    const { json } = await api.open(grant.credential, open, null);
    const other = await runner.start(`s-${randomUUID()}`);
    const [part] = partsOf('main.jsonl', [upTo(1)]);
    const codes = [
      await api.part(user, json['save_id'], part!),
      await api.part(other.credential, json['save_id'], part!),
      await api.finish(user, json['save_id'], []),
      await api.part(grant.credential, push['save_id'], part!),
    ].map(({ status, code }) => [status, code]);
    expect(codes).toEqual(Array(4).fill([404, 'native_save_not_found']));
  });

  it('N11: a turn neither reads nor writes outside of its session', async () => {
    const foreign = await pushed();
    const grant = await (await api.runner()).start(`s-${randomUUID()}`);
    const { credential } = grant;
    for (const selector of [
      { session_id: foreign.session_id },
      { conversation_id: foreign.conversation_id },
      { native_id: foreign.native_id },
    ]) {
      expect(await api.manifest(credential, selector)).toMatchObject({ status: 404, code: 'resume_state_missing' });
    }
    const { json } = await api.call('POST', `${NATIVE}/query`, credential, { native_id: foreign.native_id });
    expect(json).toEqual({ data: [], next_cursor: null });
    const open = { session_id: foreign.session_id, native_id: foreign.native_id, ...turnOf(grant) };
    expect((await api.open(credential, open, 1)).code).toBe('credential_scope');
    expect((await api.open(credential, { ...open, turn_id: undefined }, 1)).code).toBe('credential_scope');
  });

  it('N11: another project finds nothing', async () => {
    const { session_id, native_id, conversation_id } = await pushed();
    const stranger = (await stack.anotherProject()).api_key;
    const { json } = await api.open(user, { session_id, native_id }, 1);
    const answers = [
      await api.manifest(stranger, { session_id }),
      await api.manifest(stranger, { conversation_id }),
      await api.manifest(stranger, { native_id }),
      await api.call('GET', `${NATIVE}/content?as=tar&conversation_id=${conversation_id}`, stranger),
      await api.call('POST', `${NATIVE}/versions/query`, stranger, { conversation_id }),
      await api.part(stranger, json['save_id'], partsOf('main.jsonl', [TURNS[1]!], upTo(1))[0]!),
      await api.finish(stranger, json['save_id'], []),
    ];
    expect(answers.map(({ status }) => status)).toEqual(Array(7).fill(404));
  });

  it("N11: a runner's key opens nothing, nor does a key that may only view", async () => {
    const { session_id, native_id } = await pushed();
    const viewer = await keyWith('VIEW_SESSIONS');
    const requests: ((key: string | undefined) => Promise<{ code: string | undefined }>)[] = [
      (key) => api.manifest(key!, { session_id }),
      (key) => api.call('GET', `${NATIVE}/content?as=tar&session_id=${session_id}`, key),
      (key) => api.call('POST', `${NATIVE}/query`, key, { session_id }),
      (key) => api.open(key!, { session_id, native_id }, 1),
      (key) => api.call('PUT', `${NATIVE}/envelope?session_id=${session_id}&format=codex_cli`, key, {}),
    ];
    for (const ask of requests) {
      expect((await ask(undefined)).code).toBe('unauthenticated');
      expect((await ask(stack.keys.runner_key)).code).toBe('credential_kind');
      expect((await ask(viewer)).code).toBe('permission_denied');
    }
  });

  /** Makes a user's key of the project with one permission only. */
  async function keyWith(permission: string): Promise<string> {
    const { api_key } = await stack.anotherProject();
    await database.query(
      `UPDATE api_keys SET project_id = $1, permissions = $2
        WHERE kind = 'user' AND project_id <> $1 AND id = (SELECT id FROM api_keys WHERE kind = 'user' ORDER BY created_at DESC LIMIT 1)`,
      [stack.keys.project_id, [permission]],
    );
    return api_key;
  }

  it('N12: a push to a session that nobody knows makes it', async () => {
    const { session_id } = await pushed();
    expect((await api.call('GET', `/v1/sessions/${session_id}`, user)).status).toBe(200);
  });

  it.each(['opened', 'finished'] as const)(
    'N12: a push is not %s while a turn of the session is live',
    async (step) => {
      const { session_id, native_id } = await pushed();
      const { json } = await api.open(user, { session_id, native_id }, 1);
      const parts = partsOf('main.jsonl', [TURNS[1]!], upTo(1));
      await api.part(user, json['save_id'], parts[0]!).catch(() => undefined);
      await (await api.runner()).start(session_id);
      const answer = await (step === 'opened'
        ? api.open(user, { session_id, native_id }, 1)
        : api.finish(user, json['save_id'], statesOf(parts)));
      expect([answer.status, answer.code]).toEqual([409, 'session_in_use']);
      expect(await api.lines(user, { session_id })).toEqual(upTo(1));
    },
  );
});

describe('the client', () => {
  /** Every request is answered to nobody the first time. */
  function forgetful(): HoldfastClient {
    const heard = new Set<string>();
    return new HoldfastClient({
      url: stack.url,
      apiKey: user,
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        const name = `${init?.method ?? 'GET'} ${String(input).replace(/[0-9a-f-]{36}/, '')}`;
        if (heard.has(name)) return response;
        heard.add(name);
        throw new TypeError('fetch failed');
      },
    });
  }

  async function* chunksOf(parts: Part[]) {
    yield* parts;
  }
  const appended = (parts: Part[]): NativeChange[] => [
    { kind: 'append', name: 'main.jsonl', mode: 'lines', chunks: chunksOf(parts) },
  ];

  it('N4: saves once what it sends again because no answer came, and knows what is stored then', async () => {
    const names = aConversation();
    const client = forgetful();
    const save = { ...names, harness: 'claude', origin: ORIGIN, save_point: 'push' as const };
    const first = await client.saveNative({ ...save, base: null }, appended(partsOf('main.jsonl', [upTo(1)])));
    expect(first).toMatchObject({ version: { version: 1 }, is_branch: false });
    const parts = partsOf('main.jsonl', [TURNS[1]!], upTo(1));
    const second = await client.saveNative({ ...save, base: first!.base }, appended(parts));
    expect(second).toMatchObject({ version: { version: 2, parent_version: 1 }, is_branch: false });
    expect(second!.base).toEqual(await stack.client.fetchNativeBase({ session_id: names.session_id }));
    expect(await api.lines(user, { session_id: names.session_id })).toEqual(upTo(2));
    expect(await client.saveNative({ ...save, base: second!.base }, [])).toBeUndefined();
  });

  it('N9: saves a changed past as a branch, and as the same one again', async () => {
    const names = aConversation();
    const save = { ...names, harness: 'claude', origin: ORIGIN, save_point: 'push' as const };
    await api.save(user, names, null, partsOf('main.jsonl', [upTo(1), TURNS[1]!]));
    const base = (await stack.client.fetchNativeBase(names))!;
    const diverge = () => {
      const chunks = chunksOf(partsOf('main.jsonl', [['{"prompt":"other"}']], upTo(1)));
      const change: NativeChange = { kind: 'diverged', name: 'main.jsonl', mode: 'lines', keep_lines: 2, chunks };
      return stack.client.saveNative({ ...save, base }, [change]);
    };
    const branch = await diverge();
    expect(branch).toMatchObject({ version: { version: 2 }, is_branch: true, base: { files: [{ lines: 3 }] } });
    expect(await diverge()).toEqual(branch);
    expect(await api.lines(user, { session_id: names.session_id })).toEqual(upTo(2));
  });
});

describe('an envelope', () => {
  const uuid = () => randomUUID();
  const claude = (id: string, prompts: string[]) => ({
    cwd: '/home/me/code',
    uuid: id,
    claude_version: '2.1.329',
    entries: prompts.map((text, n) => ({
      type: 'user',
      uuid: `00000000-0000-4000-8000-00000000000${n}`,
      parentUuid: null,
      sessionId: id,
      timestamp: '2026-11-21T10:00:00.000Z',
      unknown: { kept: [1, 2.5, null] },
      message: { role: 'user', content: text },
    })),
    subagents: { 'agent-1': [{ type: 'user', sessionId: id, message: { role: 'user', content: 'sub' } }] },
    todos: { [`${id}-agent-1`]: [{ content: 'tidy', status: 'pending' }] },
  });
  const codex = (id: string, prompts: string[]) => ({
    cwd: '/home/me/code',
    session_id: id,
    codex_version: '0.169.0',
    session_start_timestamp: '2026-11-21T10:00:00.000Z',
    entries: [
      { timestamp: '2026-11-21T10:00:00.000Z', type: 'session_meta', payload: { id, cwd: '/home/me/code' } },
      ...prompts.map((text) => ({
        timestamp: '2026-11-21T10:00:01.000Z',
        type: 'response_item',
        payload: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
      })),
    ],
  });
  const formats = [
    ['claude_code_cli', claude],
    ['codex_cli', codex],
  ] as const;

  const put = (session_id: string, format: string, envelope: object) =>
    api.call('PUT', `${NATIVE}/envelope?session_id=${session_id}&format=${format}`, user, envelope);
  const get = (selector: Record<string, string>) =>
    api.call('GET', `${NATIVE}/content?${new URLSearchParams({ as: 'envelope', ...selector })}`, user);

  it.each(formats)('N18: of %s comes back as it was sent, and is found by its id', async (format, make) => {
    const [session_id, id] = [`s-${uuid()}`, uuid()];
    const envelope = make(id, ['one', 'two']);
    expect(await put(session_id, format, envelope)).toMatchObject({
      status: 200,
      json: { version: 1, save_point: 'push' },
    });
    expect((await get({ session_id, format })).json).toEqual(envelope);
    expect((await get({ native_id: id })).json).toEqual(envelope);
  });

  it.each(formats)('N18: of %s that goes on adds what is new, again adds nothing', async (format, make) => {
    const [session_id, id] = [`s-${uuid()}`, uuid()];
    const first = await put(session_id, format, make(id, ['one']));
    expect((await put(session_id, format, make(id, ['one']))).json).toEqual(first.json);
    const second = await put(session_id, format, make(id, ['one', 'two']));
    expect(second.json).toMatchObject({ version: 2, parent_version: 1 });
    expect(second.json['added_bytes']).toBeLessThan(first.json['bytes'] as number);
    expect((await get({ session_id })).json).toEqual(make(id, ['one', 'two']));
  });

  it.each(formats)('N18: of %s with another past makes a branch', async (format, make) => {
    const [session_id, id] = [`s-${uuid()}`, uuid()];
    await put(session_id, format, make(id, ['one', 'two']));
    const { json } = await put(session_id, format, make(id, ['ONE', 'two']));
    expect(json).toMatchObject({ version: 2, parent_version: 1 });
    expect((await get({ session_id })).json).toEqual(make(id, ['one', 'two']));
    expect((await get({ session_id, branch_id: json['branch_id'] as string })).json).toEqual(make(id, ['ONE', 'two']));
  });

  it('N18: leaves out lines that are no JSON, which an archive keeps', async () => {
    const names = aConversation();
    const lines = ['{"type":"user"}', '{"type":"us', '{"type":"assistant"}'];
    await api.save(user, names, null, partsOf('main.jsonl', [lines]));
    expect(await api.lines(user, { session_id: names.session_id })).toEqual(lines);
    const { json } = await get({ session_id: names.session_id, format: 'claude_code_cli' });
    expect(json['entries']).toEqual([{ type: 'user' }, { type: 'assistant' }]);
  });

  it('N18: has the shape of its harness only', async () => {
    const { session_id } = await pushed();
    const other = await get({ session_id, format: 'codex_cli' });
    expect(other).toMatchObject({ status: 409, code: 'harness_mismatch', json: { asked_harness: 'codex' } });
    expect((await get({ session_id, format: 'native' })).json).toMatchObject({ harness: 'claude' });
  });

  it.each<[string, string, object]>([
    ['of an unknown format', 'other', {}],
    ['without entries', 'codex_cli', { cwd: '/', session_id: randomUUID() }],
    ['that is a list', 'codex_cli', []],
    ['whose id is no UUID', 'codex_cli', { cwd: '/', session_id: '../x', entries: [] }],
    ['of a cwd that cannot be stored', 'codex_cli', { cwd: '/\0', session_id: randomUUID(), entries: [{}] }],
    [
      'with a file that leads out of it',
      'claude_code_cli',
      { cwd: '/', uuid: randomUUID(), entries: [{}], subagents: { '../../x': [{}] } },
    ],
    [
      'of a harness that nobody knows',
      'native',
      { harness: 'other', native_id: 'x', cwd: '/', files: [{ name: 'a', mode: 'lines', content: ['{}'] }] },
    ],
  ])('N18: %s is refused', async (_, format, envelope) => {
    const answer = await put(`s-${uuid()}`, format, envelope);
    expect([answer.status, answer.code]).toEqual([422, 'envelope_invalid']);
  });

  it('N18: that is no JSON is refused', async () => {
    const path = `${NATIVE}/envelope?session_id=s&format=codex_cli`;
    expect((await api.call('PUT', path, user, Buffer.from('{"cwd":'))).code).toBe('json_malformed');
  });

  it('N18: that is nested too deep to be written again is refused', async () => {
    const [open, close] = ['['.repeat(200_000), ']'.repeat(200_000)];
    const envelope = `{"cwd":"/","session_id":"${randomUUID()}","entries":[${open}${close}]}`;
    const path = `${NATIVE}/envelope?session_id=s&format=codex_cli`;
    expect((await api.call('PUT', path, user, Buffer.from(envelope))).code).toBe('envelope_invalid');
  });

  it.each(['home', 'root'])('N18: of a %s that cannot be stored is refused', async (name) => {
    const path = `${NATIVE}/envelope?session_id=s&format=codex_cli&${name}=%00`;
    const envelope = { cwd: '/', session_id: randomUUID(), entries: [{}] };
    expect((await api.call('PUT', path, user, Buffer.from(JSON.stringify(envelope)))).code).toBe('request_invalid');
  });
});

describe('a conversion', () => {
  const update = (turn_id: string, change: object) => ({
    type: 'agent.update',
    at: new Date().toISOString(),
    turn_id,
    data: change,
  });
  const text = (words: string) => ({ type: 'text', text: words });

  /** A session with a finished turn: a message, a tool call with its result, a thought. */
  async function aSession() {
    const session_id = `s-${randomUUID()}`;
    const runner = await api.runner();
    const grant = await runner.start(session_id);
    const call = { toolCallId: 'c1', title: 'ls', kind: 'execute', rawInput: { command: 'ls' } };
    const events = [
      { sessionUpdate: 'agent_thought_chunk', content: text('hm') },
      { sessionUpdate: 'agent_message_chunk', content: text('I look.') },
      { sessionUpdate: 'tool_call', ...call, status: 'pending' },
      {
        sessionUpdate: 'tool_call_update',
        toolCallId: 'c1',
        status: 'completed',
        content: [{ type: 'content', content: text('attic') }],
      },
      { sessionUpdate: 'agent_message_chunk', content: text('There is an attic.') },
    ].map((change) => update(grant.turn_id, change));
    const producer = { 'producer-id': 'runner', 'producer-epoch': String(grant.epoch), 'producer-seq': '0' };
    const { code } = await api.call('POST', grant.log_path, grant.credential, events, producer);
    expect(code).toBeUndefined();
    await runner.complete(grant);
    return { session_id, runner };
  }

  const convert = (key: string, session_id: string, harness: string, turn: object = {}) =>
    api.call('POST', `${NATIVE}/convert`, key, { session_id, harness, origin: ORIGIN, ...turn });

  it.each(['claude', 'codex'])('N19: to %s says what was said and done, in order, and is the head', async (harness) => {
    const { session_id } = await aSession();
    const { json } = await convert(user, session_id, harness);
    expect(json).toMatchObject({ version: 1, resumption_prompt: null, omitted: [{ type: 'thought' }] });
    const name = harness === 'claude' ? 'main.jsonl' : `rollouts/${json['native_id'] as string}.jsonl`;
    const lines = (await api.lines(user, { session_id }, name))!.join('\n');
    const places = ['hi', 'I look.', 'ls', 'attic', 'There is an attic.'].map((said) => lines.indexOf(`"${said}`));
    expect(places.every((place) => place >= 0)).toBe(true);
    const { json: manifest } = await api.manifest(user, { session_id });
    expect(manifest['conversation']).toMatchObject({ is_head: true, harness, native_id: json['native_id'] });
  });

  it('N19: again, of the same records, is the same conversation', async () => {
    const { session_id } = await aSession();
    const first = await convert(user, session_id, 'codex');
    expect(await convert(user, session_id, 'codex')).toEqual(first);
  });

  it('N19: for a turn leaves out what the turn itself is asked', async () => {
    const { session_id, runner } = await aSession();
    const grant = await runner.start(session_id);
    const { json } = await convert(grant.credential, session_id, 'gemini', turnOf(grant));
    expect(json).toMatchObject({ conversation_id: null, native_id: null, version: null });
    const prompt = json['resumption_prompt'] as string;
    expect(prompt).toContain('There is an attic.');
    expect(prompt.split('"hi"')).toHaveLength(2);
    await runner.detach(grant);
    expect((await convert(grant.credential, session_id, 'gemini', turnOf(grant))).code).toBe('stale_epoch');
  });

  it('N19: is refused where a user pushed what no record has, and says what to do', async () => {
    const { session_id } = await aSession();
    await pushed({ ...aConversation(), session_id });
    const { code, json } = await convert(user, session_id, 'codex');
    expect(code).toBe('resume_state_missing');
    expect(json['detail']).toMatch(/pushed, .* Run the turn with an agent of "claude", or start afresh\.$/);
    expect((await convert(user, session_id, 'gemini')).code).toBe('resume_state_missing');
  });

  it('N19: of a session in which nothing was said has nothing to go on with', async () => {
    const session_id = `s-${randomUUID()}`;
    await api.call('PUT', `/v1/sessions/${session_id}`, user, {});
    expect((await convert(user, session_id, 'claude')).code).toBe('resume_state_missing');
    expect((await convert(user, `s-${randomUUID()}`, 'claude')).code).toBe('session_not_found');
  });
});

describe('what is stored', () => {
  it('N13: is found by its session, its id and the id of its harness', async () => {
    const { session_id, native_id, conversation_id } = await pushed();
    for (const selector of [{ session_id }, { native_id }, { conversation_id }, { session_id, harness: 'claude' }]) {
      expect((await api.manifest(user, selector)).json['conversation']).toMatchObject({
        session_id,
        native_id,
        conversation_id,
      });
    }
    expect((await api.manifest(user, {})).code).toBe('request_invalid');
  });

  it('N13: of a session is what was saved last, whatever harness', async () => {
    const first = await pushed();
    const { session_id } = first;
    const second = { session_id, native_id: randomUUID(), harness: 'codex' };
    await api.save(user, second, null, partsOf(`rollouts/${second.native_id}.jsonl`, [upTo(1)]));
    const newest = async () => ((await api.manifest(user, { session_id })).json['conversation'] as Names).native_id;
    expect(await newest()).toBe(second.native_id);
    await api.save(user, { session_id, native_id: first.native_id }, 1, partsOf('main.jsonl', [TURNS[1]!], upTo(1)));
    expect(await newest()).toBe(first.native_id);
  });

  it('N13: is refused to another harness by type', async () => {
    const { session_id, conversation_id } = await pushed();
    for (const selector of [{ session_id }, { conversation_id }]) {
      const answer = await api.manifest(user, { ...selector, harness: 'codex' });
      expect(answer).toMatchObject({
        status: 409,
        json: { code: 'harness_mismatch', asked_harness: 'codex', stored_harness: 'claude' },
      });
    }
  });

  it('N14: the same content of a project is one blob', async () => {
    const before = blobFiles().length;
    const line = [randomUUID()];
    await api.save(user, aConversation(), null, partsOf('main.jsonl', [line]));
    await api.save(user, aConversation(), null, partsOf('main.jsonl', [line]));
    expect(blobFiles().length).toBe(before + 1);
  });

  it('N14: is not readable in the store', async () => {
    const secret = `a secret ${randomUUID()}`;
    const parts = partsOf('main.jsonl', [[secret]]);
    await api.save(user, aConversation(), null, parts);
    expect(readFileSync(blobOf(parts[0]!)).length).toBeGreaterThan(secret.length);
    expect(blobFiles().filter((file) => readFileSync(file).includes(secret))).toEqual([]);
  });

  it.each<[string, (file: string) => void]>([
    ['missing', (file) => rmSync(file)],
    ['damaged', (file) => writeFileSync(file, flipped(readFileSync(file)))],
  ])('N15: that is %s is said before the answer begins', async (_, damage) => {
    const { session_id, native_id } = await pushed();
    const parts = partsOf('main.jsonl', [[randomUUID()]], upTo(1));
    await api.save(user, { session_id, native_id }, 1, parts);
    damage(blobOf(parts[0]!));
    const answer = await api.call('GET', `${NATIVE}/content?as=tar&session_id=${session_id}`, user);
    expect([answer.status, answer.code]).toEqual([422, 'conversation_load_failed']);
    expect(await api.lines(user, { session_id, version: '1' })).toEqual(upTo(1));
  });

  const flipped = (bytes: Buffer) => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte));

  it('N15: that is found damaged when part of it was sent is cut off, so that whoever reads it notices', async () => {
    const names = aConversation();
    const parts = partsOf(
      'main.jsonl',
      Array.from({ length: 12 }, () => [randomBytes(MIB).toString('hex')]),
    );
    await api.save(user, names, null, parts);
    const file = blobOf(parts[11]!);
    writeFileSync(file, flipped(readFileSync(file)));
    const reading = api.lines(user, { session_id: names.session_id });
    await expect(reading).rejects.toThrow(/connection failed/i);
  }, 60_000);

  it('N16: 50 MB are streamed: readers that stand still make the api hold little', async () => {
    const names = aConversation();
    const run = () => [randomBytes(2 * MIB).toString('hex')];
    const parts = partsOf('main.jsonl', Array.from({ length: 13 }, run));
    expect((await api.save(user, names, null, parts)).json).toMatchObject({ bytes: 13 * (4 * MIB + 1) });
    const resident = () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${stack.api.pid}/status`, 'utf8'))![1]) / 1024;
    const before = resident();
    const standing = await Promise.all(
      Array.from({ length: 16 }, async () => {
        const { content } = await stack.client.readNativeContent({ session_id: names.session_id, as: 'tar' });
        const pieces = content[Symbol.asyncIterator]();
        await pieces.next();
        return pieces;
      }),
    );
    const whole = await api.lines(user, { session_id: names.session_id });
    expect(digestOf(whole!)).toBe(parts.at(-1)!.digest);
    const grown = resident() - before;
    console.log(`16 readers of 52 MiB stand still, one has read it: ${Math.round(grown)} MiB more`);
    for (const pieces of standing) await pieces.return?.();
    // All of it for all of them would be 832 MiB; four chunks for each of them were over 300.
    expect(grown).toBeLessThan(256);
  }, 120_000);

  it('N17: what nobody finished is swept away, with the blobs that nothing else refers to', async () => {
    const names = aConversation();
    const { json } = await api.open(user, names, null);
    const [lost, kept] = [partsOf('main.jsonl', [[randomUUID()]]), partsOf('main.jsonl', [[randomUUID()]])];
    await api.part(user, json['save_id'], lost[0]!);
    await api.save(user, aConversation(), null, kept);
    expect(blobOf(lost[0]!)).toBeDefined();
    const hashes = [lost[0]!.sha256, kept[0]!.sha256];
    await database.query(`UPDATE native_saves SET touched_at = now() - interval '2 days' WHERE save_id = $1`, [
      json['save_id'],
    ]);
    await database.query(`UPDATE native_blobs SET touched_at = now() - interval '2 days' WHERE sha256 = ANY($1)`, [
      hashes,
    ]);
    await stack.workers.stop();
    await stack.workers.start();
    await eventually(() => expect(blobOf(lost[0]!)).toBeUndefined(), { timeout: 60_000 });
    expect(blobOf(kept[0]!)).toBeDefined();
    expect((await api.finish(user, json['save_id'], [])).code).toBe('native_save_not_found');
  }, 120_000);

  it('lists conversations and versions by page', async () => {
    const { session_id, native_id, conversation_id } = await pushed();
    await api.save(user, { session_id, native_id }, 1, partsOf('main.jsonl', [TURNS[1]!], upTo(1)));
    const versions = (cursor?: string) =>
      api.call('POST', `${NATIVE}/versions/query`, user, { conversation_id, limit: 1, cursor });
    const first = await versions();
    expect(first.json['data']).toMatchObject([{ version: 2 }]);
    const second = await versions(first.json['next_cursor'] as string);
    expect(second.json).toMatchObject({ data: [{ version: 1 }], next_cursor: null });
    await pushed({ session_id, native_id: randomUUID() });
    const conversations = (cursor?: string) =>
      api.call('POST', `${NATIVE}/query`, user, { session_id, limit: 1, cursor });
    const newest = await conversations();
    expect(newest.json['data']).toMatchObject([{ is_head: true }]);
    const older = await conversations(newest.json['next_cursor'] as string);
    expect(older.json).toMatchObject({ data: [{ native_id, is_head: false, version: 2 }], next_cursor: null });
  });
});
