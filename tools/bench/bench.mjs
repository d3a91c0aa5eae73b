import { randomBytes } from 'node:crypto';
import { startLoad } from './load/load.mjs';
import { observe } from './observe.mjs';

/** What a row works with: the load, the watch over it, and streams that nobody else uses. */
export class Bench {
  #run = randomBytes(4).toString('hex');
  #paths = 0;
  #profiles;
  load = startLoad();

  /** `profiles` takes a profile of each measurement of Holdfast; undefined for none. */
  constructor(profiles) {
    this.#profiles = profiles;
  }

  /** A path that no stream has yet. */
  path(name) {
    return `/v1/stream/bench/${this.#run}/${name}/${this.#paths++}`;
  }

  async restart(contender) {
    await contender.stop();
    await contender.start();
  }

  /** Measures: has the load do `work` against the contender, and watches (see observe.mjs). */
  async observe(contender, work, params) {
    const profiles = contender.startProfile && this.#profiles;
    const onStart = () => profiles?.start(contender);
    const result = await observe({ contender, load: this.load, work, params, onStart });
    await profiles?.end(contender);
    return result;
  }
}
