import fc from 'fast-check';
import { Play } from './play.js';
import { startProcesses, type Processes } from './processes.js';
import { steps, type Step } from './steps.js';

/** How long it looks for a counterexample, and then for a smaller one. */
const LOOK_MS = 25_000;
const SHRINK_MS = 20_000;

/** HOLDFAST_TURN_SEED and HOLDFAST_TURN_PATH repeat a run that failed. */
const seed = Number(process.env['HOLDFAST_TURN_SEED'] ?? Date.now() % 2 ** 31);
const path = process.env['HOLDFAST_TURN_PATH'];

describe('turns, whatever is done to them', () => {
  let processes: Processes;
  const real = Date.now;
  let aheadMs = 0;
  /** The clocks of the processes; that of the database is moved by moving what it is compared with. */
  const clock = { real, jump: (hours: number) => void (aheadMs += hours * 3_600_000) };

  beforeAll(async () => {
    processes = await startProcesses();
    jest.spyOn(Date, 'now').mockImplementation(() => real() + aheadMs);
  }, 60_000);
  afterAll(async () => {
    jest.restoreAllMocks();
    await processes?.stop();
  });

  it('at most one owner an epoch; epochs only grow; a superseded turn never writes again; no turn is live without an owner or a place in line; every live turn ends; the log tells what the rows say', async () => {
    let deadline = real() + LOOK_MS;
    let isFound = false;
    let runs = 0;
    const play = async (all: Step[]) => {
      // What is left then passes unseen: a run that is under way must not be cut off.
      if (real() > deadline) return;
      try {
        runs += 1;
        await new Play(processes, clock).run(all);
      } catch (error) {
        if (!isFound) deadline = real() + SHRINK_MS;
        isFound = true;
        throw error;
      }
    };
    await fc.assert(fc.asyncProperty(steps, play), { numRuns: 5_000, seed, ...(path && { path }) });
    process.stdout.write(`${runs} runs with seed ${seed}\n`);
  }, 120_000);
});
