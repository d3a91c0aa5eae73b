/** What must be known of an agent program to run it over ACP. Adding one is one file and one line in harnesses.ts. */
export interface AcpHarness {
  name: string;
  /** The command that speaks ACP on stdio, and its arguments. */
  command: string;
  args: string[];
  /** Programs that the command drives, by the variable that tells it where they are. Needed as well as the command. */
  drives: Record<string, string>;
  /** Variables of the runner that the agent may see besides the common ones; `*` at the end stands for anything. */
  passes: string[];
  /** Set for every agent of this kind, whatever the runner's environment says. */
  settings: Record<string, string>;
  /** The variable that names the model to use; null where it cannot be told that way. */
  modelVariable: string | null;
  /** What a person installs to get it. */
  install: string;
}

/** What every program needs to be itself on a machine; nothing of it is secret. */
export const COMMON_VARIABLES = [
  'PATH',
  'HOME',
  'USER',
  'SHELL',
  'LANG',
  'LC_*',
  'TZ',
  'TERM',
  'TMPDIR',
  'XDG_*',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
];
