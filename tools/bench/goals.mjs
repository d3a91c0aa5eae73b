import { spread } from './statistics.mjs';

/**
 * A goal looks at the samples of a row and says how far it is met. `samples` are `{ round, contender, variant, metrics }`;
 * a goal's `measure` gives one value per round, of which the median counts, or the worst where `isWorst`.
 */

/** `metric` of Holdfast is at least, or at most, `limit` times that of another contender in the same round. */
export function ratio(metric, against, { atLeast, atMost, variant, divisorVariant = variant }) {
  return {
    text: `${bound({ atLeast, atMost })} × ${against}${suffix(variant)}`,
    atLeast,
    atMost,
    unit: '×',
    measure: (samples) =>
      rounds(samples).map(
        (round) =>
          find(samples, round, 'holdfast', variant)?.[metric] / find(samples, round, against, divisorVariant)?.[metric],
      ),
  };
}

/** `metric` of Holdfast stays within a bound of its own. */
export function limit(metric, name, unit, { atLeast, atMost, variant, isWorst = false }) {
  return {
    text: `${name} ${bound({ atLeast, atMost })} ${unit}${suffix(variant)}`.replace(/ +/g, ' '),
    atLeast,
    atMost,
    unit,
    isWorst,
    measure: (samples) => rounds(samples).map((round) => find(samples, round, 'holdfast', variant)?.[metric]),
  };
}

/** `metric` of Holdfast at one variant against that at another: at most `atMost` times, where that is asked for. */
export function growth(metric, name, { from, to, atMost }) {
  return {
    text: atMost === undefined ? `${name}: ${to} against ${from}` : `${name}: ${to} ≤ ${atMost} × ${from}`,
    atMost,
    unit: '×',
    measure: (samples) =>
      rounds(samples).map(
        (round) => find(samples, round, 'holdfast', to)?.[metric] / find(samples, round, 'holdfast', from)?.[metric],
      ),
  };
}

/** Says how far something is from its limit, without asking for anything. */
export function share(metric, against, name, options = {}) {
  return { ...ratio(metric, against, options), text: name };
}

/** `{ text, unit, median, min, max, isReached }`; undefined where a contender was left out. */
export function judge({ text, unit, atLeast, atMost, isWorst, measure }, samples) {
  const values = spread(measure(samples));
  if (!values) return undefined;
  const counted = isWorst ? (atLeast === undefined ? values.max : values.min) : values.median;
  const hasBound = atLeast !== undefined || atMost !== undefined;
  const isReached = hasBound ? !(counted < atLeast || counted > atMost) : undefined;
  return { text, unit, ...values, isReached };
}

const bound = ({ atLeast, atMost }) => (atLeast !== undefined ? `≥ ${atLeast}` : `≤ ${atMost}`);
const suffix = (variant) => (variant === undefined ? '' : `, ${variant}`);
const rounds = (samples) => [...new Set(samples.map(({ round }) => round))];

function find(samples, round, contender, variant) {
  return samples.find(
    (sample) => sample.round === round && sample.contender === contender && sample.variant === variant,
  )?.metrics;
}
