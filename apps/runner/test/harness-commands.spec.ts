import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeCommandFiles } from '../src/cli-drive/command-files.js';
import { filledIn, readHarnessCommands } from '../src/cli-drive/harness-commands.js';
import { ConfigError, readConfig } from '../src/config.js';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'holdfast-commands-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is wrong with a file of this content. */
function problems(content: unknown): string[] {
  const file = join(folder, 'commands.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  const told: string[] = [];
  readHarnessCommands(file, (problem) => told.push(problem));
  return told;
}

describe('HOLDFAST_HARNESS_COMMANDS', () => {
  it('may replace what it names, and nothing needs to be replaced', () => {
    expect(readHarnessCommands(undefined, () => undefined)).toEqual({});
    expect(
      problems({
        codex: { fresh: ['/opt/codex', 'exec', '-'], resume: ['/opt/codex', 'resume', '{native_id}', '{prompt}'] },
        claude: { bypass: { fresh: ['c', '--dangerously-skip-permissions', '--session-id={native_id}'] } },
        gemini: {},
      }),
    ).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /cannot be read as JSON/],
    ['a list', [], /object of harnesses/],
    ['an unknown harness', { vim: {} }, /"vim" is none of codex, claude, gemini, opencode/],
    ['a harness that is no object', { codex: ['x'] }, /"codex" must be an object/],
    ['an unknown part', { codex: { start: ['x'] } }, /"codex.start" is not known/],
    ['a command line for a shell', { codex: { fresh: 'codex exec' } }, /"codex.fresh" must be a list/],
    ['an empty command', { codex: { fresh: [] } }, /must be a list/],
    ['an unknown placeholder', { codex: { fresh: ['x', '{session}'] } }, /has \{session\}; there are/],
    ['a resume of nothing', { codex: { resume: ['x'] } }, /"codex.resume" needs \{native_id\}/],
    ['a start without the id that is chosen', { claude: { fresh: ['x'] } }, /"claude.fresh" needs \{native_id\}/],
    ['an id that is not chosen', { codex: { fresh: ['x', '{native_id}'] } }, /chooses the id .* itself/],
    ['a bypass of nothing', { codex: { bypass: [] } }, /"codex.bypass" must be an object/],
  ])('is refused with %s', (_, content, message) => {
    expect(problems(content)).toEqual([expect.stringMatching(message)]);
  });

  it.each([
    '--dangerously-bypass-approvals-and-sandbox',
    '--dangerously-skip-permissions',
    '--permission-mode=bypassPermissions',
    'sandbox_mode="danger-full-access"',
    '--yolo',
    '-y',
    'yolo',
    '--approval-mode=yolo',
    '--auto',
  ])('has no way around approvals outside of "bypass": %s', (flag) => {
    expect(problems({ codex: { fresh: ['codex', flag] } })).toEqual([expect.stringMatching(/goes into "bypass"/)]);
    expect(problems({ codex: { bypass: { fresh: ['codex', flag] } } })).toEqual([]);
  });

  it('is judged when the runner starts', () => {
    const read = () => readConfig({ HOLDFAST_HARNESS_COMMANDS: join(folder, 'none.json') });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(/HOLDFAST_HARNESS_COMMANDS .*none\.json.*cannot be read/);
  });
});

it('a template is filled in once: what is filled in is not looked at again', () => {
  const values = { prompt: '{native_id} {cwd}', native_id: '7', cwd: '/w {prompt}' };
  expect(filledIn(['x', '{prompt}', 'a{native_id}b', '{cwd}'], values)).toEqual({
    argv: ['x', '{native_id} {cwd}', 'a7b', '/w {prompt}'],
    stdin: null,
  });
  expect(filledIn(['x'], values).stdin).toBe(values.prompt);
});

describe('the configuration that a command needs', () => {
  it('is merged into what is there, and left alone where it is there already', async () => {
    const path = join(folder, 'deep', 'settings.json');
    const file = { path, merge: { general: { retention: { enabled: false } } }, mode: 0o600 };
    await writeCommandFiles([file]);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(file.merge);

    const mine = '{"theme":"dark","general":{"retention":{"enabled":true,"days":3},"x":1}}';
    writeFileSync(path, mine);
    await writeCommandFiles([file]);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
      theme: 'dark',
      general: { retention: { enabled: false, days: 3 }, x: 1 },
    });

    const same = '{ "general": { "retention": { "enabled": false } } }';
    writeFileSync(path, same);
    await writeCommandFiles([file]);
    expect(readFileSync(path, 'utf8')).toBe(same);
  });

  it('is not forced upon a file that cannot be read', async () => {
    const path = join(folder, 'broken.json');
    writeFileSync(path, '// mine\n{}');
    await expect(writeCommandFiles([{ path, merge: {}, mode: 0o600 }])).rejects.toThrow();
    expect(readFileSync(path, 'utf8')).toBe('// mine\n{}');
  });
});
