/** The middle of `values`, or the mean of the two middle ones; undefined for none. */
export function median(values) {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median with the range it comes from. Undefined for no values. */
export function spread(values) {
  const known = values.filter((value) => value !== undefined && !Number.isNaN(value));
  if (known.length === 0) return undefined;
  return { median: median(known), min: Math.min(...known), max: Math.max(...known) };
}

/** Durations in milliseconds, gathered without allocation per sample. */
export class Durations {
  #values = new Float64Array(4096);
  #count = 0;

  add(milliseconds) {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#count * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = milliseconds;
  }

  /** Adds all of these to others. */
  addTo(others) {
    for (let index = 0; index < this.#count; index += 1) others.add(this.#values[index]);
  }

  get count() {
    return this.#count;
  }

  /** The smallest duration that `share` (0 to 1) of all samples do not exceed; undefined without samples. */
  percentile(share) {
    if (this.#count === 0) return undefined;
    const sorted = this.#values.slice(0, this.#count).sort();
    return sorted[Math.max(0, Math.ceil(share * this.#count) - 1)];
  }
}
