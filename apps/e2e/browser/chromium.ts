import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = [
  '--headless',
  // Inside a container there is nothing to make a sandbox with.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The machine's own Chromium, with a profile that is empty and ends with it. */
export async function startChromium() {
  const profile = mkdtempSync(path.join(tmpdir(), 'holdfast-chromium-'));
  const removeProfile = () => rmSync(profile, { recursive: true, force: true });
  try {
    const context = await chromium.launchPersistentContext(profile, { executablePath: findChromium(), args: FLAGS });
    return {
      newPage: () => context.newPage(),
      async stop(): Promise<void> {
        await context.close();
        removeProfile();
      },
    };
  } catch (error) {
    removeProfile();
    throw error;
  }
}

function findChromium(): string {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  const found = COMMANDS.flatMap((command) => folders.map((folder) => path.join(folder, command))).find(existsSync);
  if (!found) throw new Error(`none of ${COMMANDS.join(', ')} is installed`);
  return found;
}
