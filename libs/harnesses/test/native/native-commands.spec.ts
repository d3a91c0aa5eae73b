import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { NativeIdUnknown, UnsafeNativePath, type NativeApprovals } from '../../src/index.js';
import { shellDisplay } from '../../src/native/shell-display.js';
import { harnessOf, SAMPLE_IDS } from './native-world.js';

const claude = harnessOf('claude');
const codex = harnessOf('codex');
const place = { env: { HOME: '/home/me' }, cwd: "/code/it's here" };
const request = (native_id: string | null, prompt: string | null, approvals: NativeApprovals = 'deny') => {
  return { place, native_id, prompt, approvals, model: null };
};
const claudeId = SAMPLE_IDS['claude']!;
const codexId = SAMPLE_IDS['codex']!;

// Many files and processes: a loaded machine takes its time.
jest.setTimeout(180_000);

describe('command lines', () => {
  it('N10: a prompt goes by stdin, where nobody else sees it and none is too long', () => {
    const prompt = `--dangerously-skip-permissions $(touch x) ${'long '.repeat(100_000)}`;
    for (const command of [
      claude.freshCommand(request(claudeId, prompt)),
      claude.resumeCommand(request(claudeId, prompt)),
      codex.freshCommand(request(null, prompt)),
      codex.resumeCommand(request(codexId, prompt)),
    ]) {
      expect(command.stdin).toBe(prompt);
      expect(command.argv.join(' ')).not.toContain('touch');
    }
  });

  it('of Claude Code: for a turn without a terminal, and for a person', () => {
    const turn = ['claude', '-p', '--output-format', 'stream-json', '--verbose', '--permission-mode', 'default'];
    expect(claude.freshCommand(request(claudeId, 'go')).argv).toEqual([...turn, '--session-id', claudeId]);
    expect(claude.resumeCommand(request(claudeId, 'go')).argv).toEqual([...turn, '--resume', claudeId]);
    expect(claude.resumeCommand(request(claudeId, null)).argv).toEqual(['claude', '--resume', claudeId]);
    expect(claude.resumeCommand(request(claudeId, null)).display).toBe(
      `cd '/code/it'\\''s here' && claude --resume ${claudeId}`,
    );
  });

  it('of Codex: for a turn without a terminal, and for a person', () => {
    const turn = [
      'codex',
      'exec',
      '--json',
      '--skip-git-repo-check',
      '-s',
      'read-only',
      '-c',
      'approval_policy="never"',
    ];
    expect(codex.freshCommand(request(null, 'go')).argv).toEqual([...turn, '-']);
    expect(codex.resumeCommand(request(codexId, 'go')).argv).toEqual([...turn, 'resume', codexId, '-']);
    const forPerson = ['codex', '-c', 'features.daemon_auto_start=false'];
    expect(codex.freshCommand(request(null, null)).argv).toEqual(forPerson);
    expect(codex.resumeCommand(request(codexId, null)).argv).toEqual([...forPerson, 'resume', codexId]);
  });

  it('name the model where one is wanted', () => {
    const wanted = { ...request(codexId, 'go'), model: 'gpt-x' };
    expect(codex.resumeCommand(wanted).argv.join(' ')).toContain('-m gpt-x resume');
    const claudeWanted = { ...wanted, native_id: claudeId };
    expect(claude.resumeCommand(claudeWanted).argv.join(' ')).toContain('--model gpt-x --resume');
  });

  describe('N10: approvals are bypassed only where that is asked for', () => {
    const isBypassing = (command: { argv: string[]; env: Record<string, string> }) =>
      /dangerously|bypass|yolo/i.test(command.argv.join(' ')) || 'IS_SANDBOX' in command.env;

    it.each([
      ['ask', 'go', false],
      ['deny', 'go', false],
      ['ask', null, false],
      ['bypass', 'go', true],
      ['bypass', null, true],
    ] as [NativeApprovals, string | null, boolean][])('%s, prompt %j: %s', (approvals, prompt, expected) => {
      for (const command of [
        claude.freshCommand(request(claudeId, prompt, approvals)),
        claude.resumeCommand(request(claudeId, prompt, approvals)),
        codex.freshCommand(request(null, prompt, approvals)),
        codex.resumeCommand(request(codexId, prompt, approvals)),
      ]) {
        expect(isBypassing(command)).toBe(expected);
      }
    });
  });

  it('a session id that could be an option is refused, and a resume without one', () => {
    for (const harness of [claude, codex]) {
      expect(() => harness.resumeCommand(request('--dangerously-skip-permissions', 'go'))).toThrow(UnsafeNativePath);
      expect(() => harness.resumeCommand(request(null, 'go'))).toThrow(NativeIdUnknown);
    }
    expect(() => claude.freshCommand(request(null, 'go'))).toThrow(NativeIdUnknown);
  });
});

describe('N10: what is shown for a POSIX shell', () => {
  let folder: string;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'holdfast-shell-')));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const program = `printf '%s\\0' "$PWD" "$SAID" "$@"; cat`;
  const anyText = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom("'", '"', '\\', '$', '`', '!', ' ', '\n', '\u001b', '-', '%', '&', ';', 'é') }),
  );
  const runnable = anyText.filter((text) => !text.includes('\u0000') && !text.endsWith('\n'));

  it('runs as it is meant, and holds nothing that a terminal would act on', () => {
    fc.assert(
      fc.property(fc.array(runnable, { maxLength: 3 }), runnable, runnable, (words, said, stdin) => {
        const cwd = path.join(folder, "it's a $HOME");
        mkdirSync(cwd, { recursive: true });
        const argv = ['/bin/sh', '-c', program, 'sh', ...words];
        const shown = shellDisplay({ cwd, env: { SAID: said }, argv, stdin });
        expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
        const printed = execFileSync('/bin/sh', ['-c', shown], { encoding: 'utf8' });
        expect(printed.split('\0')).toEqual([cwd, said, ...words, stdin]);
      }),
      { numRuns: 50 },
    );
  });
});
