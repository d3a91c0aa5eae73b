import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionTurnGrant } from '@holdfast/client';
import { AgentLauncher } from '../src/agent-launcher.js';
import { MemoryControlPlane } from './memory-control-plane.js';

describe('AgentLauncher', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-agents-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function install(program: string): string {
    const bin = join(folder, 'node_modules', '.bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, program), '#!/bin/sh\n');
    chmodSync(join(bin, program), 0o755);
    return join(bin, program);
  }

  const grant = (fields: Partial<SessionTurnGrant>) => new MemoryControlPlane().invoke('', fields);
  const launcher = () =>
    new AgentLauncher(folder, { PATH: '/no/such', OPENAI_API_KEY: 'k', HOLDFAST_RUNNER_KEY: 's', SECRET: 's' });

  it('starts an installed agent with the programs it drives and the variables it may see', () => {
    const [adapter, program] = [install('codex-acp'), install('codex')];
    expect(launcher().find(grant({ harness: 'codex', environment: { MINE: '1' } }))).toEqual({
      command: adapter,
      args: [],
      environment: expect.objectContaining({ PATH: '/no/such', OPENAI_API_KEY: 'k', CODEX_PATH: program, MINE: '1' }),
    });
    const { environment } = launcher().find(grant({ harness: 'codex' }));
    expect(Object.keys(environment)).not.toEqual(expect.arrayContaining(['HOLDFAST_RUNNER_KEY']));
    expect(Object.keys(environment)).not.toEqual(expect.arrayContaining(['SECRET']));
  });

  it('says what to install when the agent, or what it drives, is not there', () => {
    install('codex-acp');
    expect(() => launcher().find(grant({ harness: 'codex' }))).toThrow(
      expect.objectContaining({ code: 'harness_not_found', message: expect.stringContaining('npm install -g') }),
    );
  });

  it("runs the revision's own command in place of the harness's", () => {
    const launch = launcher().find(grant({ harness: 'codex', command: ['/opt/agent', '--acp'] }));
    expect(launch).toMatchObject({ command: '/opt/agent', args: ['--acp'] });
    expect(launch.environment.OPENAI_API_KEY).toBe('k');
  });

  it('tells the harness of the model that the revision names', () => {
    install('claude-agent-acp');
    install('claude');
    const { environment } = launcher().find(grant({ harness: 'claude', model: 'sonnet' }));
    expect(environment).toMatchObject({ ANTHROPIC_MODEL: 'sonnet' });
  });

  it('refuses a model that the harness could not be told of', () => {
    install('codex-acp');
    install('codex');
    expect(() => launcher().find(grant({ harness: 'codex', model: 'gpt' }))).toThrow(
      expect.objectContaining({ code: 'model_not_supported' }),
    );
  });

  it.each([
    ['acp', 'needs a command'],
    ['no-such-harness', 'does not know the harness no-such-harness'],
  ])('refuses %s without a command', (harness, message) => {
    expect(() => launcher().find(grant({ harness }))).toThrow(
      expect.objectContaining({ code: 'harness_not_found', message: expect.stringContaining(message) }),
    );
  });
});
