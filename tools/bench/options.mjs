import { parseArgs } from 'node:util';
import { rows } from './rows/rows.mjs';

export const SERVERS = ['holdfast', 'reference-memory', 'reference-file', 'loopback', 'postgres'];

const width = Math.max(...rows.map(({ name }) => name.length));

export const HELP = `npm run bench [-- ROW … OPTIONS]

Measures the log of Holdfast side by side with the reference server of the Durable Streams protocol, in memory and on
files, and with the limits under both: bare HTTP over the loopback, and bare commits on the same PostgreSQL. It starts
what it needs (a durable PostgreSQL, a Redis, the built api, the others) and stops it again. All of it: about ten
minutes, on a machine that does nothing else.

rows
${rows.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`).join('\n')}

options
  --rounds N        rounds of each row (3); numbers are medians over the rounds, with their range
  --seconds N       how long each measurement takes (1.5)
  --contenders A,B  only these of ${SERVERS.join(', ')}
  --profile         also what the api does with its processor time in each row; slows it down a little
  --json FILE       writes every sample of every round
  --guard           the short run for CI: fails when a ratio has fallen far below what it once was
  --no-build        measures what was built last

how to read it
  cpu µs/op  processor time of all processes of a server per operation; moves least with the machine's mood
  load       cores that the load itself took; from 0.9 on ("!") it measures itself
  foreign    cores that others on this machine took meanwhile; with more than 0.15 ("!") measure again
  a ratio is taken within each round; its median counts, the range stands beside it

examples
  npm run bench -- append-32 fan-out
  npm run bench -- append-32 --contenders holdfast --profile --no-build
  npm run bench -- --rounds 5 --json /tmp/bench.json`;

/** Gives what the command line asks for, or `{ problem }`. */
export function readOptions(args) {
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '1.5' },
        contenders: { type: 'string', default: SERVERS.join(',') },
        profile: { type: 'boolean', default: false },
        json: { type: 'string' },
        guard: { type: 'boolean', default: false },
        'no-build': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return { problem: error.message };
  }
  const { values, positionals } = parsed;
  const contenders = values.contenders.split(',');
  const problem =
    unknown(
      'row',
      positionals,
      rows.map(({ name }) => name),
    ) ??
    unknown('contender', contenders, SERVERS) ??
    notPositive('--rounds', values.rounds) ??
    notPositive('--seconds', values.seconds) ??
    (values.guard && positionals.length ? '--guard has rows of its own' : undefined);
  if (problem) return { problem };
  return {
    rows: positionals.length ? rows.filter(({ name }) => positionals.includes(name)) : rows,
    rounds: Math.ceil(Number(values.rounds)),
    seconds: Number(values.seconds),
    contenders,
    isProfiled: values.profile,
    jsonFile: values.json,
    isGuard: values.guard,
    mayBuild: !values['no-build'],
    isHelp: values.help,
  };
}

function unknown(kind, names, known) {
  const name = names.find((each) => !known.includes(each));
  return name === undefined ? undefined : `there is no ${kind} '${name}'; there are ${known.join(', ')}`;
}

function notPositive(option, value) {
  return Number(value) > 0 ? undefined : `${option} takes a number greater than 0, not '${value}'`;
}
