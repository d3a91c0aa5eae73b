import type { CDPSession, Page } from 'playwright-core';
import { eventually } from '@holdfast/testing';
import { startStack, type Stack } from '../test/stack.js';
import { startChromium } from './chromium.js';
import { startPageServer } from './page-server.js';
import { PATIENCE_MS, startPlayedAgents, type PlayedAgent } from '../test/played-agents.js';
import { eventLine, taskLine, viewTree, type Progress, type TreeView } from './tree-view.js';

declare global {
  interface Window {
    view: ReturnType<typeof viewTree>;
  }
}

interface Viewer {
  progress(): Promise<Progress>;
  shown(): Promise<TreeView>;
}

const patiently = <T>(check: () => T | Promise<T>) => eventually(check, { timeout: PATIENCE_MS });

describe('a tree of agents that is viewed by its link', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stack: Stack;
  let pageUrl: string;
  beforeAll(async () => {
    // No lease runs out, however long a loaded machine takes.
    stack = await startStack({ runner: false, env: { LEASE_SECONDS: '600' } });
    undo.push(stack.stop);
    const server = await startPageServer();
    undo.push(server.stop);
    pageUrl = server.url;
  }, 120_000);
  afterAll(async () => {
    for (const step of undo.reverse()) await step();
  }, 60_000);

  /** A browser of its own that looks at the tree. */
  async function browse(link: string): Promise<Viewer & { page: Page }> {
    const browser = await startChromium();
    undo.push(browser.stop);
    const page = await browser.newPage();
    await page.goto(pageUrl);
    expect(new URL(page.url()).origin).not.toBe(new URL(stack.url).origin);
    await page.evaluate((link) => void (window.view = window.viewTree(link)), link);
    return {
      page,
      progress: () => page.evaluate(() => window.view.progress()),
      shown: () => page.evaluate(() => window.view.shown()),
    };
  }

  function look(link: string): Viewer {
    const view = viewTree(link);
    undo.push(view.leave);
    return { progress: async () => view.progress(), shown: async () => view.shown() };
  }

  /** As the api has it: what the log of each session holds, and the tasks. */
  async function truth(agents: PlayedAgent[], root_task_id: string): Promise<Pick<TreeView, 'events' | 'tasks'>> {
    const events: TreeView['events'] = {};
    for (const { session_id } of agents) {
      const lines: string[] = [];
      for await (const logged of stack.client.readSession(session_id)) lines.push(eventLine(logged));
      events[session_id] = lines;
    }
    const { data } = await stack.client.tasks.querySessionTasks({ SessionTaskQuery: { root_task_id, limit: 200 } });
    return { events, tasks: data.map(taskLine) };
  }

  it('shows two browsers and a program the same, each event once, while the api is killed again and again', async () => {
    const played = await startPlayedAgents(stack);
    const { agents } = played;
    undo.push(() => Promise.all(agents.map((agent) => agent.leave())));
    const lead = await played.lead();
    const [scout, builder] = await played.startBelow(lead, 'Scout', 'Builder', 'Critic', 'Tester', 'Writer', 'Keeper');
    const { task_id } = await played.taskOf(lead.session_id);
    const { link } = await stack.client.shares.createSessionShare({
      SessionShareCreate: { session_id: lead.session_id, scope: 'tree' },
    });
    const early = await browse(link!);
    const program = look(link!);
    await patiently(async () => {
      for (const viewer of [early, program]) expect((await viewer.progress()).tasks).toBe(7);
    });

    // The rest of them comes while the tree is looked at: two levels deep, in every way there is.
    const guest = await played.addBelow(lead, 'Guest');
    await played.addBelow(lead, 'Other guest');
    await played.startBelow(scout!, 'Scout 1', 'Scout 2', 'Scout 3', 'Scout 4');
    await played.startBelow(builder!, 'Builder 1', 'Builder 2', 'Builder 3', 'Builder 4');
    await played.addBelow(guest, 'Guest 1');
    await played.addBelow(guest, 'Guest 2');
    await played.startBelow(lead, 'Latecomer');
    expect(agents).toHaveLength(20);
    for (const agent of agents) agent.write();

    /** Each agent has written something more that this viewer was shown. */
    const hasHeardOfAll = async ({ progress }: Viewer) => {
      const before = agents.map(({ session_id, lines }) => ({ session_id, lines }));
      await patiently(async () => {
        const { updates } = await progress();
        expect(before.filter(({ session_id, lines }) => !(updates[session_id]! > lines))).toEqual([]);
      });
    };
    /** Each agent has tried to write while there was no api, and nobody knows which of its lines were taken. */
    const restart = async () => {
      const before = agents.map(({ cut }) => cut);
      await stack.api.kill();
      await patiently(() => expect(agents.filter(({ cut }, index) => cut === before[index])).toHaveLength(0));
      for (const viewer of [early, program]) {
        await patiently(async () => expect((await viewer.progress()).status).toBe('reconnecting'));
      }
      await stack.api.start();
    };

    await hasHeardOfAll(early);
    await hasHeardOfAll(program);
    await restart();
    const late = await browse(link!);
    await hasHeardOfAll(early);
    await hasHeardOfAll(late);
    await restart();
    await hasHeardOfAll(late);

    const network = await early.page.context().newCDPSession(early.page);
    await goOffline(network, true);
    await patiently(async () => expect((await early.progress()).status).toBe('reconnecting'));
    await hasHeardOfAll(late);
    await stack.api.kill();
    await stack.api.start();
    await hasHeardOfAll(program);
    await goOffline(network, false);
    await hasHeardOfAll(early);

    // They end in every way.
    const [failing, stopped, ...others] = [...agents].reverse();
    await failing!.end('failed');
    await stopped!.rest();
    await stack.client.kill(stopped!.session_id);
    for (const agent of others) await agent.end('completed');

    const viewers = { early, program, late };
    const sessions = agents.map(({ session_id }) => session_id).sort();
    for (const [name, viewer] of Object.entries(viewers)) {
      const shown = await patiently(async () => {
        const [wanted, has] = [await truth(agents, task_id), await viewer.shown()];
        expect({ name, ...lengthsOf(has) }).toEqual({ name, ...lengthsOf(wanted) });
        expect({ tasks: has.tasks, events: has.events }).toEqual(wanted);
        return has;
      });
      expect([...shown.materialised].sort()).toEqual(sessions);
      expect(new Set(shown.activity).size).toBe(shown.activity.length);
      expect([...shown.activity].sort()).toEqual(shown.activity);
      expect(shown).toMatchObject({ joins: 1, watchesAtATime: 1, troubles: [], status: 'live' });
      expect(shown.watches).toBeGreaterThan(1);
    }
    // Every line that an agent knows to be written is there once, in order.
    const { events, tasks } = await truth(agents, task_id);
    for (const { session_id, lines } of agents) {
      const texts = events[session_id]!.flatMap((one) => /"text":"line (\d+)"/.exec(one)?.[1] ?? []);
      expect(texts).toEqual(Array.from({ length: lines }, (_, line) => String(line)));
    }
    expect(countOf(tasks.map((line) => line.split(' ').at(-1)!))).toEqual({ succeeded: 18, failed: 1, cancelled: 1 });
  }, 600_000);
});

async function goOffline(network: CDPSession, offline: boolean): Promise<void> {
  await network.send('Network.enable');
  const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
  await network.send('Network.emulateNetworkConditions', { offline, ...unlimited });
}

/** What differs, where something does, before all of it is printed. */
const lengthsOf = ({ tasks, events }: Pick<TreeView, 'tasks' | 'events'>) => ({
  tasks,
  events: Object.fromEntries(Object.entries(events).map(([session_id, lines]) => [session_id, lines.length])),
});

function countOf(words: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
