import type { ToolsServer } from '../tools/tools-socket.js';
import type { ApprovalBridge } from './approval-bridge.js';

/** What a program is started with besides. */
export interface CliExtras {
  args: string[];
  environment: Record<string, string>;
}

/** Longer than any tool waits; Codex gives a call up after it. */
const codexToolSeconds = 660;

/**
 * How a harness's command line is told of the servers of its turn. The tools' secret goes by the environment, so that no
 * list of processes shows it. Gemini CLI takes servers only from the settings of its home, which its other turns share.
 */
export function cliExtras(
  harness: string,
  environment: Readonly<Record<string, string>>,
  tools: ToolsServer | undefined,
  bridge: ApprovalBridge | undefined,
): CliExtras {
  const secrets = Object.fromEntries(tools?.env.map(({ name, value }) => [name, value]) ?? []);
  const names = Object.keys(secrets);
  if (harness === 'claude') {
    const passed = Object.fromEntries(names.map((name) => [name, `\${${name}}`]));
    const mcpServers = {
      ...bridge?.servers,
      ...(tools && { [tools.name]: { type: 'stdio', command: tools.command, args: tools.args, env: passed } }),
    };
    const config = tools || bridge ? ['--mcp-config', JSON.stringify({ mcpServers })] : [];
    return { args: [...config, ...(bridge?.args ?? [])], environment: { ...secrets, ...bridge?.environment } };
  }
  if (!tools) return { args: [], environment: {} };
  if (harness === 'codex') {
    const settings = { command: tools.command, args: tools.args, env_vars: names, tool_timeout_sec: codexToolSeconds };
    // What JSON says of texts, numbers and lists of texts, TOML says alike.
    const args = Object.entries(settings).flatMap(([key, value]) => [
      '-c',
      `mcp_servers.${tools.name}.${key}=${JSON.stringify(value)}`,
    ]);
    return { args, environment: secrets };
  }
  // What its user has put there is not to be lost.
  if (harness === 'opencode' && environment['OPENCODE_CONFIG_CONTENT'] === undefined) {
    const server = { type: 'local', command: [tools.command, ...tools.args], environment: secrets, enabled: true };
    const content = JSON.stringify({ mcp: { [tools.name]: server } });
    return { args: [], environment: { OPENCODE_CONFIG_CONTENT: content } };
  }
  return { args: [], environment: {} };
}
