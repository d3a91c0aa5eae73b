import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import {
  isCrossingHarness,
  NativeCapture,
  nativeFromRecords,
  type CrossingHarness,
  type CrossingRecord,
} from '../../src/index.js';
import { harnessOf, machine, Store } from '../native/native-world.js';
import { agent, anyRecords, recordsOf, tool, user } from './crossing-records.js';

const IDS = { claude: '5f0c2f4e-3d0b-4c86-9d1e-0a4b7c9e2a11', codex: '01946b2c-7a10-7c3e-8f21-5b6d7e8f9a01' };
const HARNESSES = Object.keys(IDS) as CrossingHarness[];

interface Item {
  role: 'user' | 'agent' | 'call' | 'result';
  text: string;
  id?: string;
  name?: string;
}

type Line = Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any

const cross = (to: CrossingHarness, records: CrossingRecord[]) => {
  const target = { cwd: '/code', native_id: IDS[to], now: new Date('2026-02-01T00:00:00Z'), version: '1.2.3' };
  const { files, omitted } = nativeFromRecords(to, records, target);
  const text = files[0]!.data.toString();
  const lines = text.split('\n').filter(Boolean);
  return { files, omitted, text, lines: lines.map((line) => JSON.parse(line) as Line) };
};
const items = (to: CrossingHarness, records: CrossingRecord[]) => readers[to](cross(to, records).lines);

const readers: Record<CrossingHarness, (lines: Line[]) => Item[]> = {
  claude: (lines) =>
    lines.map(({ message: { role, content } }): Item => {
      if (typeof content === 'string') return { role, text: content };
      const [block] = content;
      if (block.type === 'text') return { role: 'agent', text: block.text };
      if (block.type === 'tool_result') return { role: 'result', text: block.content, id: block.tool_use_id };
      return { role: 'call', text: JSON.stringify(block.input), id: block.id, name: block.name };
    }),
  codex: (lines) =>
    lines.slice(1).map(({ payload }): Item => {
      if (payload.type === 'message') {
        return { role: payload.role === 'user' ? 'user' : 'agent', text: payload.content[0].text };
      }
      if (payload.type === 'function_call_output') return { role: 'result', text: payload.output, id: payload.call_id };
      return { role: 'call', text: payload.arguments, id: payload.call_id, name: payload.name };
    }),
};

describe.each(HARNESSES)('a conversation of records, written for %s', (to) => {
  it('X1: whatever the records are, capture takes the file whole, and the same again gives the same bytes', async () => {
    const harness = harnessOf(to);
    const place = await machine();
    const name = harness.mainName(IDS[to]);
    const main = await harness.targetPath(place, { native_id: IDS[to], started_at: '2026-02-01T00:00:00Z' }, name);
    await mkdir(path.dirname(main), { recursive: true });
    await fc.assert(
      fc.asyncProperty(anyRecords, async (records) => {
        const { files, text } = cross(to, records);
        expect(files.map((file) => [file.name, file.mode])).toEqual([[name, 'lines']]);
        expect(cross(to, structuredClone(records)).text).toBe(text);
        await writeFile(main, files[0]!.data);
        const store = new Store();
        await store.save(new NativeCapture(harness, place, IDS[to], []), await harness.origin(place));
        expect(store.content(name)).toBe(text);
        expect(await harness.locate(place, IDS[to])).toHaveLength(1);
      }),
      { numRuns: 60 },
    );
    await place.remove();
  });

  it('X2: whatever the records are, each call is followed by its result, under an id and a name that the API takes', () => {
    fc.assert(
      fc.property(anyRecords, (records) => {
        const all = items(to, records);
        const calls = all.filter(({ role }) => role === 'call');
        expect(calls).toHaveLength(records.filter(({ type }) => type === 'tool_call').length);
        expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length);
        all.forEach(({ role, id, name, text }, index) => {
          if (role === 'call') {
            expect(all[index + 1]).toMatchObject({ role: 'result', id });
            expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
            expect(JSON.parse(text)).toEqual(expect.any(Object));
          } else if (role === 'result') expect(all[index - 1]).toMatchObject({ role: 'call', id });
          else expect(text.trim()).not.toBe('');
        });
      }),
    );
  });

  it('X3: whatever the records are, what is said is in their order, and what is not said is listed', () => {
    fc.assert(
      fc.property(anyRecords, (records) => {
        const said = records.flatMap(({ type, content }) => {
          const { prompt, blocks } = content as { prompt?: unknown; blocks?: unknown };
          if (type === 'user_message') return typeof prompt === 'string' ? [prompt] : textsOf(prompt);
          return type === 'agent_message' ? textsOf(blocks) : [];
        });
        const all = items(to, records).map(({ text }) => text);
        let at = 0;
        let from = 0;
        for (const text of said.filter((part) => part.trim() !== '')) {
          while (at < all.length && !all[at]!.includes(text, from)) [at, from] = [at + 1, 0];
          expect(at).toBeLessThan(all.length);
          from = all[at]!.indexOf(text, from) + text.length;
        }
        const { omitted } = cross(to, records);
        const isListed = new Set(omitted.map(({ record_id }) => record_id));
        for (const { record_id, type } of records) {
          if (['thought', 'plan', 'interaction', 'usage', 'of tomorrow'].includes(type)) {
            expect(isListed.has(record_id)).toBe(true);
          }
        }
      }),
    );
  });

  it('X4: a message that was cut for its length is one again, with its blank rest', () => {
    const records = recordsOf([user('go'), agent('one, '), agent('two', true), agent('\n', true), agent('three')]);
    expect(items(to, records).map(({ text }) => text)).toEqual(['go', 'one, two\n', 'three']);
  });

  it('X4: one that would be too long for a line comes in parts', () => {
    const mib = 'x'.repeat(1024 * 1024);
    const records = recordsOf([user('go'), agent(mib), agent(mib, true), agent('the rest', true), agent(mib, true)]);
    expect(items(to, records).map(({ text }) => text)).toEqual(['go', mib + mib, `the rest${mib}`]);
  });

  it('X4: one whose beginning is gone says so', () => {
    const { omitted } = cross(to, recordsOf([user('go'), agent('the end', true)]));
    expect(omitted).toMatchObject([{ type: 'agent_message', reason: expect.stringContaining('beginning') }]);
  });

  it('X5: a call that was interrupted has a result that says so, and is listed', () => {
    const call = { kind: 'execute', title: 'sleep', rawInput: { command: 'sleep 9' }, content: shown('so far') };
    const records = recordsOf([user('go'), tool(call, 'interrupted')]);
    expect(items(to, records)[2]!.text).toMatch(/so far[^]*interrupted[^]*not known/);
    expect(cross(to, records).omitted).toMatchObject([
      { type: 'tool_call', reason: expect.stringContaining('not known') },
    ]);
  });

  it('X6: what is no text leaves a word in its place, and is listed', () => {
    const records = recordsOf([
      user([
        { type: 'text', text: 'look: ' },
        { type: 'image', data: 'AAAA' },
      ]),
    ]);
    expect(items(to, records)).toEqual([{ role: 'user', text: 'look: [image]' }]);
    expect(cross(to, records).omitted).toEqual([
      { record_id: records[0]!.record_id, type: 'user_message', reason: 'It has content that is no text (image).' },
    ]);
  });

  it('X9: what was taken out of a record as a secret is listed, by the rules that found it', () => {
    const records = recordsOf([
      user('use [redacted:github_token] and [redacted:jwt]'),
      tool({ kind: 'execute', rawInput: { command: 'echo [redacted:jwt]' }, rawOutput: '[redacted:jwt]' }),
      agent('no [redacted] here'),
    ]);
    expect(cross(to, records).omitted).toEqual([
      {
        record_id: records[0]!.record_id,
        type: 'user_message',
        reason: 'Secrets were taken out of it when it was recorded (github_token, jwt).',
      },
      {
        record_id: records[1]!.record_id,
        type: 'tool_call',
        reason: 'Secrets were taken out of it when it was recorded (jwt).',
      },
    ]);
    expect(items(to, records)[0]!.text).toBe('use [redacted:github_token] and [redacted:jwt]');
  });

  it('X7: a result beyond measure loses its middle, and is listed', () => {
    const long = `begin ${'ä'.repeat(3_000_000)} end`;
    const records = recordsOf([user('go'), tool({ kind: 'execute', rawInput: { command: 'x' }, rawOutput: long })]);
    const { text } = items(to, records)[2]!;
    expect(text.length).toBeLessThanOrEqual(1024 * 1024);
    expect(text).toMatch(/^begin ä[^]*left out[^]*ä end$/);
    expect(cross(to, records).omitted).toMatchObject([{ reason: expect.stringContaining('middle was left out') }]);
  });

  it('records of nothing give a conversation all the same', () => {
    expect(cross(to, []).lines.length).toBeGreaterThan(0);
  });
});

describe('tool calls of Codex, written for Claude Code', () => {
  const first = (call: Record<string, unknown>) => items('claude', recordsOf([user('go'), tool(call)]))[1];

  it('a command is one of its own shell', () => {
    const call = {
      kind: 'execute',
      title: 'ls',
      rawInput: { command: 'ls -l', cwd: '/w' },
      rawOutput: { exit_code: 0 },
    };
    expect(first(call)).toMatchObject({ name: 'Bash', text: '{"command":"ls -l"}' });
    expect(first({ ...call, rawInput: { command: ['bash', '-lc', 'ls | wc'] } })!.text).toBe('{"command":"ls | wc"}');
    expect(first({ ...call, rawInput: { command: ['echo', "it's"] } })!.text).toBe(`{"command":"echo 'it'\\\\''s'"}`);
  });

  it('any other keeps what is known of it', () => {
    const change = { type: 'diff', path: '/w/a', oldText: '1', newText: '2' };
    expect(first({ kind: 'edit', name: 'apply_patch', title: 'Edit a', content: [change] })).toMatchObject({
      name: 'apply_patch',
      text: JSON.stringify({ title: 'Edit a', changes: [change] }),
    });
    expect(first({ kind: 'other', title: 'mcp.a.b', rawInput: { server: 'a' } })!.name).toBe('other');
    expect(first({ title: 'x' })!.name).toBe('tool');
  });

  it('its result is what its terminal printed, which the adapter tells beside the call', () => {
    const call = (_meta: Record<string, unknown>) =>
      recordsOf([
        user('go'),
        tool({ kind: 'execute', rawInput: { command: 'ls' }, content: [{ type: 'terminal', terminalId: 'a' }], _meta }),
      ]);
    const printed = { terminal_output_delta: { terminal_id: 'a', data: 'a\nb\n' } };
    expect(items('claude', call({ ...printed, terminal_exit: { exit_code: 0 } }))[2]!.text).toBe('a\nb\n');
    expect(items('claude', call({ ...printed, terminal_exit: { exit_code: 3 } }))[2]!.text).toBe(
      'a\nb\n\n[exit code 3]',
    );
    const omitted = (_meta: Record<string, unknown>) =>
      cross('claude', call(_meta)).omitted.map(({ reason }) => reason);
    expect(omitted({ ...printed, terminal_exit: { exit_code: 0 } })).toEqual([]);
    expect(omitted({ terminal_exit: { exit_code: 0 } })).toEqual([]);
    expect(omitted({ terminal_output: { data: 'b', truncated: true } })).toEqual([
      expect.stringContaining('Only the end'),
    ]);
    expect(omitted({})).toEqual([expect.stringContaining('not in the record')]);
  });

  it('an exit code that is not 0 is told with the output, and marked as an error', () => {
    const call = {
      kind: 'execute',
      rawInput: { command: 'false' },
      rawOutput: { exit_code: 3 },
      content: shown('no\n'),
    };
    const { lines } = cross('claude', recordsOf([user('go'), tool(call, 'failed')]));
    expect(lines[2]!.message.content).toMatchObject([
      { type: 'tool_result', content: 'no\n\n[exit code 3]', is_error: true },
    ]);
  });

  it('every line has what Claude Code needs, and names the one before it', () => {
    const { lines } = cross('claude', recordsOf([user('go'), agent('yes'), tool({}), user('on')]));
    lines.forEach((line, index) => {
      expect(line).toMatchObject({
        uuid: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        parentUuid: lines[index - 1]?.uuid ?? null,
        sessionId: IDS.claude,
        timestamp: expect.stringMatching(/^2026-01-15T/),
        cwd: '/code',
      });
    });
    expect(new Set(lines.map(({ uuid }) => uuid)).size).toBe(lines.length);
  });

  it('the user begins, as the API wants it', () => {
    const all = items('claude', recordsOf([agent('hello'), user('go')]));
    expect(all.map(({ role }) => role)).toEqual(['user', 'agent', 'user']);
    expect(all[0]!.text).toContain('not known');
  });
});

describe('tool calls of Claude Code, written for Codex', () => {
  const claude = (toolName: string, more: Record<string, unknown>) =>
    tool({ _meta: { claudeCode: { toolName } }, ...more });

  it('a command is one of its own shell', () => {
    const call = claude('Bash', {
      kind: 'execute',
      rawInput: { command: 'ls', description: 'List' },
      rawOutput: 'a\nb',
    });
    expect(items('codex', recordsOf([user('go'), call])).slice(1)).toMatchObject([
      { role: 'call', name: 'exec_command', text: '{"cmd":"ls"}' },
      { role: 'result', text: 'a\nb' },
    ]);
  });

  it('any other keeps its name and its input, and the result is what the model was told', () => {
    const rawOutput = [{ type: 'text', text: '1→line' }];
    const call = claude('mcp__my.server__do it', {
      kind: 'read',
      rawInput: { file_path: '/a' },
      rawOutput,
      content: shown('x'),
    });
    expect(items('codex', recordsOf([user('go'), call])).slice(1)).toMatchObject([
      { name: 'mcp__my_server__do_it', text: '{"file_path":"/a"}' },
      { text: '1→line' },
    ]);
  });

  it('a failure is told in words', () => {
    const [type, content] = claude('Read', { rawInput: {}, rawOutput: 'no such file' });
    const all = items('codex', recordsOf([user('go'), [type, { ...content, status: 'failed' }]]));
    expect(all[2]!.text).toBe('[The call failed.]\nno such file');
  });

  it('the rollout begins with the five fields that Codex needs', () => {
    expect(cross('codex', []).lines).toEqual([
      {
        timestamp: '2026-02-01T00:00:00.000Z',
        type: 'session_meta',
        payload: {
          id: IDS.codex,
          timestamp: '2026-02-01T00:00:00.000Z',
          cwd: '/code',
          originator: 'holdfast',
          cli_version: '1.2.3',
        },
      },
    ]);
  });
});

it('nothing can be written for other harnesses', () => {
  expect(['claude', 'codex', 'gemini', 'opencode', 'toString'].filter(isCrossingHarness)).toEqual(HARNESSES);
});

function shown(text: string) {
  return [{ type: 'content', content: { type: 'text', text } }];
}

function textsOf(blocks: unknown): string[] {
  if (!Array.isArray(blocks)) return [];
  return blocks.flatMap((block: { type?: unknown; text?: unknown } | null) =>
    block?.type === 'text' && typeof block.text === 'string' ? [block.text] : [],
  );
}
