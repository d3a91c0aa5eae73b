import { randomUUID } from 'node:crypto';
import { startStack, type Stack } from '../test/stack.js';
import { startChromium } from './chromium.js';
import { startPageServer } from './page-server.js';

declare global {
  interface Window {
    /** What the page's client was shown, as `session type`. */
    seen: string[];
  }
}

describe('our client in a web page of another origin', () => {
  const undo: (() => Promise<void>)[] = [];
  let stack: Stack;
  let newPage: Awaited<ReturnType<typeof startChromium>>['newPage'];
  let pageUrl: string;
  beforeAll(async () => {
    stack = await startStack({ runner: false });
    undo.push(stack.stop);
    const server = await startPageServer();
    undo.push(server.stop);
    pageUrl = server.url;
    const browser = await startChromium();
    undo.push(browser.stop);
    newPage = browser.newPage;
  }, 60_000);
  afterAll(async () => {
    for (const step of undo.reverse()) await step();
  }, 30_000);

  it('watches more sessions on one connection than a browser has connections, also across a restart', async () => {
    const sessions = Array.from({ length: 20 }, () => `s-${randomUUID()}`);
    for (const session_id of sessions) await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
    const page = await newPage();
    await page.goto(pageUrl);
    await page.evaluate(
      ({ url, apiKey, sessions }) => {
        window.seen = [];
        const watch = async () => {
          const watched = sessions.map((session_id) => ({ session_id }));
          for await (const { session_id, event } of new window.HoldfastClient({ url, apiKey }).watchSessions(watched)) {
            window.seen.push(`${session_id} ${event.type}`);
          }
        };
        void watch();
      },
      { url: stack.url, apiKey: stack.keys.api_key, sessions },
    );
    const isSeen = (count: number) => page.waitForFunction((count) => window.seen.length >= count, count);

    await isSeen(20);
    await stack.api.kill();
    await stack.api.start();
    for (const session_id of sessions) await stack.client.invoke({ session_id, prompt: 'Go on.' });
    await isSeen(40);
    const all = await page.evaluate(() => window.seen);
    expect(all.sort()).toEqual(sessions.flatMap((name) => [`${name} session.created`, `${name} turn.queued`]).sort());
  }, 60_000);
});
