import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export type RealAgentKind = 'codex' | 'claude';

export interface AgentHome {
  home: string;
  /** What the agent must be started with, besides PATH. */
  env: Record<string, string>;
  /** Absolute paths of the configuration that was written. */
  files: string[];
  remove(): Promise<void>;
}

/**
 * Makes a home folder in which an agent knows nobody but the fake model: no account, no updates, no telemetry.
 * Every question that the agent would ask a person still reaches its client.
 */
export async function agentHome(kind: RealAgentKind, fakeModelUrl: string): Promise<AgentHome> {
  const home = await realpath(await mkdtemp(join(tmpdir(), `holdfast-${kind}-home-`)));
  const { env, configuration } = kind === 'codex' ? codexHome(home, fakeModelUrl) : claudeHome(home, fakeModelUrl);
  for (const [file, text] of Object.entries(configuration)) {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  const remove = () => rm(home, { recursive: true, force: true, maxRetries: 5 });
  return { home, env: { HOME: home, ...env }, files: Object.keys(configuration), remove };
}

function codexHome(home: string, fakeModelUrl: string) {
  const config = `
model = "gpt-5.5"
model_provider = "fake"
check_for_update_on_startup = false

[model_providers.fake]
name = "fake"
base_url = "${fakeModelUrl}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
request_max_retries = 0
stream_max_retries = 0

[features]
daemon_auto_start = false
plugins = false

[analytics]
enabled = false
`;
  return {
    // The adapter's own default mode lets a model answer the questions instead of a person.
    env: { OPENAI_API_KEY: 'dummy', INITIAL_AGENT_MODE: 'workspace-write' },
    configuration: { [join(home, '.codex', 'config.toml')]: config.trimStart() },
  };
}

function claudeHome(home: string, fakeModelUrl: string) {
  const settings = {
    env: {
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_TELEMETRY: '1',
      CLAUDE_CODE_MAX_RETRIES: '0',
    },
  };
  return {
    env: { ANTHROPIC_BASE_URL: fakeModelUrl, ANTHROPIC_API_KEY: 'dummy' },
    configuration: { [join(home, '.claude', 'settings.json')]: JSON.stringify(settings, null, 2) },
  };
}
