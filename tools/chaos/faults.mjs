import { setTimeout as sleep } from 'node:timers/promises';
import { TIMES } from './cluster.mjs';

const EVERY_MS = 4_000;
const DOWN_MS = [200, 3_000];
/** Long enough that whoever hears nothing meanwhile has been given up. */
const PAST_LEASE_MS = TIMES.LEASE_SECONDS * 1_000 + 3_000;

/** Does something to one process after the other until `until` aborts; then everything is up, awake and connected. */
export async function causeFaults({ cluster, dice, until, say }) {
  const { apis, workers, runners, service, postgres, redis } = cluster;
  const busy = new Set();
  const under = [];
  const kinds = {
    'kill an api': [2, apis, kill],
    'kill a worker': [1, workers, kill],
    'kill a runner': [3, runners, kill],
    'kill the service': [2, [service], kill],
    'kill postgres': [1, [postgres], kill],
    'kill redis': [1, [redis], kill],
    'freeze an api': [1, apis, freeze],
    'freeze a worker': [1, workers, freeze],
    'freeze a runner': [2, runners, freeze],
    'freeze the service': [1, [service], freeze],
    'freeze redis': [1, [redis], freeze],
    'cut off a runner': [2, runners, cut],
    'cut off the service': [1, [service], cut],
  };
  const counts = {};

  async function kill(member) {
    await member.kill();
    await sleep(dice.between(...DOWN_MS));
    await member.start();
  }

  async function freeze(member) {
    member.freeze();
    await pastLease();
    member.thaw();
  }

  async function cut({ gate }) {
    gate.shut();
    await pastLease();
    gate.open();
  }

  const pastLease = () => sleep(PAST_LEASE_MS, undefined, { signal: until }).catch(() => undefined);
  const weights = Object.fromEntries(Object.entries(kinds).map(([kind, [weight]]) => [kind, weight]));

  while (!until.aborted) {
    await sleep(dice.waiting(EVERY_MS), undefined, { signal: until }).catch(() => undefined);
    if (until.aborted) break;
    const kind = dice.weighted(weights);
    const [, members, fault] = kinds[kind];
    const free = members.filter((member) => !busy.has(member));
    if (!free.length) continue;
    const member = dice.oneOf(free);
    busy.add(member);
    counts[kind] = (counts[kind] ?? 0) + 1;
    say(`${kind}: ${member.name}`);
    const done = fault(member).finally(() => busy.delete(member));
    // Heard of in the end.
    done.catch(() => undefined);
    under.push(done);
  }
  await Promise.all(under);
  return counts;
}

/** Restarts every process in order, one after the other, again and again until `until` aborts; each round is whole. */
export async function restartInTurn({ cluster, until, say }) {
  let rounds = 0;
  do {
    for (const member of cluster.members.toReversed()) {
      say(`restart ${member.name}`);
      await member.stop();
      await member.start();
    }
    rounds += 1;
  } while (!until.aborted);
  return { 'rounds of restarts': rounds };
}
