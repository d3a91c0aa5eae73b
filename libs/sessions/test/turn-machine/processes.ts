import { UnitOfWork } from '@holdfast/platform-postgres';
import { startFlows } from '../flows-fixture.js';

/** Nothing runs out by itself: leases and deadlines end when a run says so. */
export const LEASE_SECONDS = 3_600;

const CONFIG = {
  leaseSeconds: LEASE_SECONDS,
  beatSeconds: 600,
  watchdogSeconds: 1_800,
  stoppingSeconds: 1_800,
  // Small enough to be reached.
  maxLiveTurnsPerProject: 2,
};

/** Two processes of the api on one database, without HTTP in front. */
export async function startProcesses() {
  const first = await startFlows(CONFIG);
  const second = await startFlows(CONFIG, first);
  return {
    processes: [first.app, second.app],
    unitOfWork: first.app.get(UnitOfWork),
    /** A project of its own for a run. */
    newProject: () => first.newProject(),
    async stop(): Promise<void> {
      await second.stop();
      await first.stop();
    },
  };
}

export type Processes = Awaited<ReturnType<typeof startProcesses>>;
export type Project = Awaited<ReturnType<Processes['newProject']>>;
