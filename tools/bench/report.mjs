import { decimal, formatMetric, titleOf } from './metrics.mjs';
import { spread } from './statistics.mjs';

/** What makes a number trustworthy stands beside each row. */
const CONDITIONS = ['load_cores', 'foreign_cores'];
/** From here on the load measures itself. */
const LOAD_LIMIT_CORES = 0.9;
const FOREIGN_LIMIT_CORES = 0.15;

/** The table of one row: medians over its rounds, the first column with its range. */
export function rowTable(row, samples) {
  const [main, ...others] = row.columns;
  const hasVariants = row.variants !== undefined;
  const header = [
    ...(hasVariants ? [''] : []),
    '',
    titleOf(main),
    '(range)',
    ...[...others, ...CONDITIONS].map(titleOf),
  ];
  const lines = [header];
  for (const { variant, contender, own } of groups(samples)) {
    const values = (metric) => spread(own.map(({ metrics }) => metrics[metric]));
    const format = (metric, end = 'median') => formatMetric(metric, values(metric)?.[end]);
    lines.push([
      ...(hasVariants ? [variant] : []),
      contender,
      format(main),
      `(${format(main, 'min')}–${format(main, 'max')})`,
      ...[...others, ...CONDITIONS].map((metric) => format(metric) + cpuParts(metric, own) + warning(metric, values)),
    ]);
  }
  return aligned(lines);
}

function groups(samples) {
  const found = new Map();
  for (const sample of samples) {
    const key = `${sample.variant}/${sample.contender}`;
    if (!found.has(key)) found.set(key, { variant: sample.variant, contender: sample.contender, own: [] });
    found.get(key).own.push(sample);
  }
  return [...found.values()];
}

/** Where a contender is several programs, what each of them takes. */
function cpuParts(metric, samples) {
  const [{ metrics }] = samples;
  const parts = Object.keys(metrics.cpu);
  if (metric !== 'cpu_us' || parts.length < 2) return '';
  const microseconds = (part) => spread(samples.map(({ metrics: m }) => (m.cpu[part] / m.operations) * 1e6)).median;
  return ` (${parts.map((part) => `${part} ${decimal(microseconds(part))}`).join(', ')})`;
}

function warning(metric, values) {
  const limit = { load_cores: LOAD_LIMIT_CORES, foreign_cores: FOREIGN_LIMIT_CORES }[metric];
  return limit !== undefined && values(metric)?.median > limit ? ' !' : '';
}

/** One line for each judgement; the name of its row in front where those of several rows stand together. */
export function judgementTable(judgements) {
  return aligned(
    judgements.map(({ row, text, median, min, max, unit, isReached }) => [
      ...(row === undefined ? [] : [row]),
      text,
      `${decimal(median)} ${unit}`.trim(),
      `(${decimal(min)}–${decimal(max)})`,
      isReached === undefined ? '' : isReached ? 'reached' : 'NOT reached',
    ]),
  );
}

/** Names to the left, numbers to the right. */
function aligned(lines) {
  if (lines.length === 0) return [];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const isText = (column) => lines.slice(1).every((line) => !/^[(–\d]/.test(line[column]));
  const alignments = widths.map((_, column) => (isText(column) ? 'padEnd' : 'padStart'));
  return lines.map((line) =>
    `  ${line.map((cell, column) => cell[alignments[column]](widths[column])).join('  ')}`.trimEnd(),
  );
}
