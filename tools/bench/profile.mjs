import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LINES = 20;

/** Profiles of the api, gathered over the measurements of a row. */
export class Profiles {
  #folder = join(tmpdir(), 'holdfast-bench-profiles');
  #profiles = [];
  #starting;

  /** Begins with a measurement of this contender. */
  start(contender) {
    this.#starting = contender.startProfile();
  }

  async end(contender) {
    await this.#starting;
    this.#profiles.push(await contender.endProfile());
  }

  /** Writes what was gathered where Chrome's DevTools and VS Code open it, and gives its summary as lines of text. */
  report(row) {
    mkdirSync(this.#folder, { recursive: true });
    const times = new SelfTimes();
    this.#profiles.splice(0).forEach((profile, index) => {
      writeFileSync(join(this.#folder, `${row}-${index + 1}.cpuprofile`), JSON.stringify(profile));
      times.add(profile);
    });
    return [
      `the api's processor time by function, without idling (whole profiles: ${this.#folder}/${row}-*.cpuprofile)`,
      ...times.shares(times.byFunction, LINES),
      'by origin',
      ...times.shares(times.byOrigin, LINES),
    ];
  }
}

/** Microseconds by function and by package. A sample counts for the function that was running (cpuprofile format). */
class SelfTimes {
  byFunction = new Map();
  byOrigin = new Map();
  #total = 0;

  add({ nodes, samples, timeDeltas }) {
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
    samples.forEach((id, index) => {
      const frame = frames.get(id);
      if (frame.functionName === '(idle)') return;
      const time = timeDeltas[index];
      this.#total += time;
      grow(this.byFunction, nameOf(frame), time);
      grow(this.byOrigin, originOf(frame), time);
    });
  }

  shares(times, count) {
    const largest = [...times].sort(([, a], [, b]) => b - a).slice(0, count);
    return largest.map(([name, time]) => `  ${((time / this.#total) * 100).toFixed(1).padStart(5)} %  ${name}`);
  }
}

function grow(times, name, time) {
  times.set(name, (times.get(name) ?? 0) + time);
}

function nameOf({ functionName, url, lineNumber }) {
  if (!url) return functionName;
  const place = url
    .replace(/^file:\/\//, '')
    .replace(/^.*\/node_modules\//, '')
    .replace(/^.*\/((?:apps|libs)\/)/, '$1');
  return `${functionName || '(anonymous)'}  ${place}:${lineNumber + 1}`;
}

/** A package of ours or another's, `node`, or what V8 itself does. */
function originOf({ functionName, url }) {
  if (!url) return functionName.startsWith('(') ? functionName : 'V8 and C++';
  if (url.startsWith('node:')) return 'node';
  const foreign = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url);
  if (foreign) return foreign[1];
  return /\/((?:apps|libs)\/[^/]+)\//.exec(url)?.[1] ?? url;
}
