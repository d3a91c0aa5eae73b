import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import type { AcpHarness } from './acp-harness.js';
import { claude } from './claude.js';
import { codex } from './codex.js';
import { gemini } from './gemini.js';
import { opencode } from './opencode.js';

/** The harnesses that are known by name. */
export const HARNESSES: readonly AcpHarness[] = [codex, claude, opencode, gemini];

/** Where to look for agent programs: a folder that they were installed into with npm first, then the PATH. */
export interface SearchPath {
  agentsFolder: string | null;
  path: string;
}

/** How to start an agent that was found. */
export interface HarnessLaunch {
  command: string;
  args: string[];
  /** Where the programs are that the command drives. */
  programs: Record<string, string>;
}

/** Undefined when the command, or a program that it drives, is not on this machine. */
export function locateHarness(harness: AcpHarness, search: SearchPath): HarnessLaunch | undefined {
  const folders = searchFolders(search);
  const command = find(harness.command, folders);
  const programs = Object.entries(harness.drives).map(([variable, program]) => [variable, find(program, folders)]);
  if (!command || programs.some(([, file]) => !file)) return undefined;
  return { command, args: harness.args, programs: Object.fromEntries(programs) as Record<string, string> };
}

/** The path of a program; undefined when it is not on this machine. */
export function locateProgram(program: string, search: SearchPath): string | undefined {
  return find(program, searchFolders(search));
}

/** Absolute, the one to look into first at the beginning. */
export function searchFolders({ agentsFolder, path: searchPath }: SearchPath): string[] {
  const installed = agentsFolder
    ? ['', 'programs', 'adapters'].map((part) => path.join(agentsFolder, part, 'node_modules', '.bin'))
    : [];
  return [...installed, ...searchPath.split(path.delimiter).filter((folder) => path.isAbsolute(folder))];
}

function find(program: string, folders: string[]): string | undefined {
  return folders.map((folder) => path.join(folder, program)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
