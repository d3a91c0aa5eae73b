/** Pseudo-random choices that a seed repeats (mulberry32, a public-domain generator by Tommy Ettinger). */
export function dice(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    /** A whole number from `least` to `most`. */
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    oneOf: (things) => things[Math.floor(next() * things.length)],
    /** A time of a process without memory, with this mean. */
    waiting: (mean) => -Math.log(1 - next()) * mean,
    /** One key of `weights`, as often as its weight says. */
    weighted(weights) {
      let left = next() * Object.values(weights).reduce((sum, weight) => sum + weight, 0);
      for (const [key, weight] of Object.entries(weights)) if ((left -= weight) < 0) return key;
      return Object.keys(weights).at(-1);
    },
    /** More dice, whose throws do not depend on how often these are thrown. */
    fork: (number) => dice((seed ^ Math.imul(number + 1, 0x9e3779b1)) >>> 0),
  };
}
