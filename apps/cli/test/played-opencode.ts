import { chmodSync } from 'node:fs';
import type { Machine } from './machine.js';

/** opencode as far as it hands conversations out and takes them in: an import adds, and never takes away. */
const PROGRAM = `#!/usr/bin/env node
const { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const [command, ...args] = process.argv.slice(2);
const folder = process.env.HOME + '/opencode';
const file = (id) => folder + '/' + id + '.json';
if (command === 'export') {
  if (existsSync(file(args[0]))) process.stdout.write(readFileSync(file(args[0])));
  else {
    console.error('Error: Session not found: ' + args[0]);
    process.exitCode = 1;
  }
} else if (command === 'session') {
  rmSync(file(args[1]));
} else {
  const { info, messages } = JSON.parse(readFileSync(args[0], 'utf8'));
  const before = existsSync(file(info.id)) ? JSON.parse(readFileSync(file(info.id), 'utf8')).messages : [];
  mkdirSync(folder, { recursive: true });
  const taken = { info: { ...info, directory: process.cwd() }, messages: [...before, ...messages] };
  writeFileSync(file(info.id), JSON.stringify(taken));
}
`;

/** Puts it on a machine whose PATH has the home's `bin`. */
export function installOpencode(machine: Machine): void {
  machine.write('bin/opencode', PROGRAM);
  chmodSync(machine.path('bin/opencode'), 0o755);
}

/** A conversation of one prompt after the other, as it is in the store of the program. */
export function writeOpencode(machine: Machine, id: string, prompts: string[]): void {
  const messages = prompts.map((text, n) => ({
    info: { id: `msg_${n}`, role: 'user', time: { created: n } },
    parts: [{ id: `prt_${n}`, type: 'text', text }],
  }));
  const info = { id, version: '1.18.33', directory: machine.cwd, time: { created: 1_768_464_000_000 } };
  machine.write(`opencode/${id}.json`, JSON.stringify({ info, messages }));
}

export function promptsOf(machine: Machine, id: string): string[] {
  const { messages } = JSON.parse(machine.read(`opencode/${id}.json`)) as { messages: { parts: { text: string }[] }[] };
  return messages.map(({ parts }) => parts[0]!.text);
}
