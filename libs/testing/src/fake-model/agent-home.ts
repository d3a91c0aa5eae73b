import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export type RealAgentKind = 'codex' | 'claude' | 'gemini' | 'opencode';

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
  const { env, configuration } = homes[kind](home, fakeModelUrl);
  for (const [file, text] of Object.entries(configuration)) {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  const remove = () => rm(home, { recursive: true, force: true, maxRetries: 5 });
  return { home, env: { HOME: home, ...env }, files: Object.keys(configuration), remove };
}

interface HomeContent {
  env: Record<string, string>;
  /** Text by absolute path. */
  configuration: Record<string, string>;
}

const homes: Record<RealAgentKind, (home: string, fakeModelUrl: string) => HomeContent> = {
  codex: codexHome,
  claude: claudeHome,
  gemini: geminiHome,
  opencode: opencodeHome,
};

function codexHome(home: string, fakeModelUrl: string): HomeContent {
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

function claudeHome(home: string, fakeModelUrl: string): HomeContent {
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

function geminiHome(home: string, fakeModelUrl: string): HomeContent {
  const settings = {
    security: { auth: { selectedType: 'gemini-api-key' } },
    privacy: { usageStatisticsEnabled: false },
    telemetry: { enabled: false },
    general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
  };
  return {
    env: {
      GEMINI_API_KEY: 'dummy',
      GOOGLE_GEMINI_BASE_URL: fakeModelUrl,
      GEMINI_CLI_TRUST_WORKSPACE: 'true',
      // Without a model it asks a router five times over which one to take.
      GEMINI_MODEL: 'gemini-2.5-pro',
      // Else it starts itself once more, with more memory.
      GEMINI_CLI_NO_RELAUNCH: 'true',
    },
    configuration: { [join(home, '.gemini', 'settings.json')]: JSON.stringify(settings, null, 2) },
  };
}

function opencodeHome(home: string, fakeModelUrl: string): HomeContent {
  const config = {
    $schema: 'https://opencode.ai/config.json',
    provider: {
      fake: {
        npm: '@ai-sdk/openai-compatible',
        name: 'fake',
        options: { baseURL: `${fakeModelUrl}/v1`, apiKey: 'dummy' },
        models: { 'fake-model': { name: 'fake-model' } },
      },
    },
    enabled_providers: ['fake'],
    model: 'fake/fake-model',
    small_model: 'fake/fake-model',
    autoupdate: false,
    share: 'disabled',
  };
  return {
    env: {
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
    },
    configuration: { [join(home, '.config', 'opencode', 'opencode.json')]: JSON.stringify(config, null, 2) },
  };
}
