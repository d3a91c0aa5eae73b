import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { HoldfastClient } from '@holdfast/client';
import {
  endpoint,
  programName,
  runnerKey,
  runnerProgram,
  stateFolder,
  userEnvironment,
  wantsColour,
} from './config.js';
import { CursorStore } from './cursor-store.js';
import type { LocalMachine } from './local/local-runner.js';
import { coloured, plain } from './render/style.js';
import type { Desk, Screen } from './terminal/session-screen.js';
import { Terminal } from './terminal/terminal.js';

/** The options that every command takes. */
export interface GlobalOptions {
  url?: string;
  key?: string;
}

export function openDesk(options: GlobalOptions): Desk {
  const { url, apiKey } = endpoint(options);
  return {
    client: new HoldfastClient({ url, apiKey }),
    cursors: new CursorStore(stateFolder(), url),
    program: programName(),
    ...openScreen(),
  };
}

/** This machine as the runner of a session. */
export function localMachine(options: GlobalOptions): (session_id: string, workFolder: string) => LocalMachine {
  const { url } = endpoint(options);
  const machine = { url, runnerKey: runnerKey(url), program: runnerProgram(), environment: userEnvironment() };
  const api = createHash('sha256').update(url).digest('hex').slice(0, 16);
  return (session_id, workFolder) => ({
    ...machine,
    folder: join(stateFolder(), 'local', api, session_id),
    workFolder,
  });
}

/** For commands that may do without a key. */
export function openScreen(): Screen {
  return {
    terminal: new Terminal(process.stdin, process.stdout),
    style: wantsColour(process.stdout.isTTY) ? coloured : plain,
  };
}
