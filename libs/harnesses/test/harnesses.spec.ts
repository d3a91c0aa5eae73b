import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { agentEnvironment, HARNESSES, locateHarness } from '../src/index.js';

const named = (name: string) => HARNESSES.find((harness) => harness.name === name)!;

describe('finding a harness', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'holdfast-harness-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const install = (file: string, mode = 0o755) => {
    const full = path.join(folder, file);
    mkdirSync(path.dirname(full), { recursive: true });
    writeFileSync(full, '#!/bin/sh\n');
    chmodSync(full, mode);
    return full;
  };

  it('finds the adapter and the program it drives on the PATH', () => {
    const command = install('bin/codex-acp');
    const program = install('other/codex');
    const search = {
      agentsFolder: null,
      path: [path.join(folder, 'bin'), path.join(folder, 'other')].join(path.delimiter),
    };
    expect(locateHarness(named('codex'), search)).toEqual({ command, args: [], programs: { CODEX_PATH: program } });
  });

  it('prefers the folder that agents were installed into', () => {
    install('bin/claude-agent-acp');
    install('bin/claude');
    const command = install('agents/adapters/node_modules/.bin/claude-agent-acp');
    const program = install('agents/programs/node_modules/.bin/claude');
    const search = { agentsFolder: path.join(folder, 'agents'), path: path.join(folder, 'bin') };
    expect(locateHarness(named('claude'), search)).toMatchObject({
      command,
      programs: { CLAUDE_CODE_EXECUTABLE: program },
    });
  });

  it('finds none where the program that the adapter drives is missing', () => {
    install('bin/codex-acp');
    expect(locateHarness(named('codex'), { agentsFolder: null, path: path.join(folder, 'bin') })).toBeUndefined();
  });

  it.each([
    ['a file that may not be executed', () => install('bin/gemini', 0o644)],
    ['a folder', () => mkdirSync(path.join(folder, 'bin/gemini'), { recursive: true })],
  ])('passes over %s', (_, make) => {
    make();
    expect(locateHarness(named('gemini'), { agentsFolder: null, path: path.join(folder, 'bin') })).toBeUndefined();
  });

  it('looks in no folder that is relative: an agent could write there', () => {
    expect(locateHarness(named('gemini'), { agentsFolder: null, path: `.${path.delimiter}bin` })).toBeUndefined();
  });

  it.each([
    ['opencode', ['acp']],
    ['gemini', ['--acp']],
  ])('%s speaks ACP by %j', (name, args) => {
    const command = install(`bin/${name}`);
    expect(locateHarness(named(name), { agentsFolder: null, path: path.join(folder, 'bin') })).toEqual({
      command,
      args,
      programs: {},
    });
  });
});

describe("an agent's environment", () => {
  const runner = {
    PATH: '/bin',
    HOME: '/home/me',
    LC_ALL: 'C',
    OPENAI_API_KEY: 'o',
    ANTHROPIC_API_KEY: 'a',
    HOLDFAST_RUNNER_KEY: 'secret',
    CLAUDECODE: '1',
    DATABASE_URL: 'postgres://secret',
  };

  it('holds what programs need and what the harness may see, and nothing else', () => {
    expect(agentEnvironment(named('codex'), runner, {})).toEqual({
      PATH: '/bin',
      HOME: '/home/me',
      LC_ALL: 'C',
      OPENAI_API_KEY: 'o',
      INITIAL_AGENT_MODE: 'read-only',
    });
  });

  it("is added to by the agent's revision, which cannot undo what the harness insists on", () => {
    const revision = { OPENAI_API_KEY: 'mine', RUST_LOG: 'info', INITIAL_AGENT_MODE: 'agent-full-access' };
    expect(agentEnvironment(named('codex'), runner, revision)).toMatchObject({
      OPENAI_API_KEY: 'mine',
      RUST_LOG: 'info',
      INITIAL_AGENT_MODE: 'read-only',
    });
  });

  it("never holds anything of Holdfast's own", () => {
    const revision = { HOLDFAST_RUNNER_KEY: 'x' };
    const environment = agentEnvironment({ passes: ['HOLDFAST_*'], settings: {} }, runner, revision);
    expect(Object.keys(environment).filter((name) => name.startsWith('HOLDFAST_'))).toEqual([]);
  });
});
