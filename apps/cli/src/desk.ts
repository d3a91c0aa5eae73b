import { HoldfastClient } from '@holdfast/client';
import { endpoint, programName, stateFolder, wantsColour } from './config.js';
import { CursorStore } from './cursor-store.js';
import { coloured, plain } from './render/style.js';
import type { Desk } from './terminal/session-screen.js';
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
    terminal: new Terminal(process.stdin, process.stdout),
    style: wantsColour(process.stdout.isTTY) ? coloured : plain,
    program: programName(),
  };
}
