import { readMachine, readProcesses, residentBytes, secondsOf, secondsOfTree } from './processor-time.mjs';

const MEMORY_SAMPLE_MS = 100;

/**
 * Has the load do one work against a contender, and watches the machine between its marks, the first of which calls
 * `onStart`. Adds to the work's result: `seconds` between the marks; `cpu`, seconds by each part of the contender;
 * `server_cores`, all of them per second; `load_cores`; `foreign_cores`, what everything else on this machine took
 * meanwhile; `stolen_cores`, what its hypervisor kept from it; `cpu_us`, the contender's microseconds per operation; and
 * the resident memory of its main process in MB, `rss_before_mb` and `rss_peak_mb`, the second by the first: `rss_growth`.
 */
export async function observe({ contender, load, work, params, onStart }) {
  let before;
  let after;
  let peak = 0;
  let sampling;
  const mainProcess = Object.values(contender.processes())[0][0];
  const sample = () => (peak = Math.max(peak, residentBytes(mainProcess)));
  const result = await load
    .run(work, params, (end) => {
      if (end === 'start') {
        onStart();
        before = reading(contender, load);
        before.resident = sample();
        sampling = setInterval(sample, MEMORY_SAMPLE_MS);
      } else {
        after = reading(contender, load);
        sample();
      }
    })
    .finally(() => clearInterval(sampling));
  return { ...result, ...difference(before, after, result.operations), ...memory(before.resident, peak) };
}

function reading(contender, load) {
  const processes = readProcesses();
  const parts = contender.processes();
  const used = {};
  for (const [part, pids] of Object.entries(parts)) used[part] = secondsOfTree(processes, pids);
  const machine = readMachine();
  return {
    at: performance.now(),
    used,
    load: secondsOf(processes, load.pid),
    observer: secondsOf(processes, process.pid),
    ...machine,
  };
}

function difference(before, after, operations) {
  const seconds = (after.at - before.at) / 1000;
  const cpu = {};
  for (const part of Object.keys(after.used)) cpu[part] = after.used[part] - before.used[part];
  const own = Object.values(cpu).reduce((sum, part) => sum + part, 0);
  const load = after.load - before.load;
  const foreign = after.busy - before.busy - own - load - (after.observer - before.observer);
  return {
    seconds,
    cpu,
    cpu_us: operations ? (own / operations) * 1e6 : undefined,
    server_cores: own / seconds,
    load_cores: load / seconds,
    foreign_cores: Math.max(0, foreign / seconds),
    stolen_cores: (after.stolen - before.stolen) / seconds,
  };
}

function memory(before, peak) {
  return { rss_before_mb: before / 1e6, rss_peak_mb: peak / 1e6, rss_growth: peak / before };
}
