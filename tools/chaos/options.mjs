import { parseArgs } from 'node:util';

export const HELP = `npm run chaos [-- OPTIONS]

Starts 2 api, 2 workers, 3 runners and a service that turns are pushed to as they are deployed, on a PostgreSQL and a
Redis of their own, drives sessions whose agents stream numbered chunks and ask, answers them, and meanwhile kills,
freezes and cuts off one process after the other. In the end it waits until all is quiet, and holds the database against
what clients, viewers, runners and whoever answered were told. Linux only; it needs a redis-server. Everything it starts it stops again, also after Ctrl-C.

options
  --sessions N   sessions that are driven (200)
  --seconds N    how long, before it waits for quiet (180)
  --seed N       of the commands and the faults (any); printed, but time decides too
  --rolling      no faults: every process is restarted in order, one after another, again and again; nothing may be lost
  --keep         keeps the folder of logs and sessions; it is kept in any case when something was found
  --no-build     runs what was built last

what is done to whom, one every few seconds
  kill -9        an api, a worker, a runner, the service, PostgreSQL, Redis; started again soon after
  freeze         an api, a worker, a runner, the service, Redis: SIGSTOP, past a lease, SIGCONT
  cut off        a runner, the service: what goes between it and the apis is held back, past a lease, then let through, late

leases are short here: 10 s, a beat a second, agents end after 5 s without one, turns stop within 3 s.

exit code  0: nothing was found; 1: something was; 2: wrong options

examples
  npm run chaos -- --sessions 20 --seconds 60
  npm run chaos -- --rolling --seconds 90
  npm run chaos -- --seed 7 --keep`;

/** Gives what the command line asks for, or `{ problem }`. */
export function readOptions(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        sessions: { type: 'string', default: '200' },
        seconds: { type: 'string', default: '180' },
        seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
        rolling: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        'no-build': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    return { problem: error.message };
  }
  const { sessions, seconds, seed } = values;
  const problem =
    notWhole('--sessions', sessions, 1, 2_000) ??
    notWhole('--seconds', seconds, 1, 86_400) ??
    notWhole('--seed', seed, 0, 2 ** 32 - 1);
  if (problem) return { problem };
  return {
    sessions: Number(sessions),
    seconds: Number(seconds),
    seed: Number(seed),
    isRolling: values.rolling,
    keeps: values.keep,
    mayBuild: !values['no-build'],
    isHelp: values.help,
  };
}

function notWhole(option, text, least, most) {
  const isFine = /^\d+$/.test(text) && Number(text) >= least && Number(text) <= most;
  return isFine ? undefined : `${option} takes a whole number from ${least} to ${most}, not '${text}'`;
}
