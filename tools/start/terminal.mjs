const COLOURS = { holdfast: 32, postgres: 34, api: 36, workers: 35, runner: 33 };
const WIDTH = Math.max(...Object.keys(COLOURS).map((name) => name.length));
const isColoured = process.stdout.isTTY && !process.env.NO_COLOR;

/** Prints each line of `text` behind the name of who says it. */
export function printLines(name, text) {
  const label = `${name.padEnd(WIDTH)} │`;
  const prefix = isColoured ? `\x1b[${COLOURS[name]}m${label}\x1b[0m` : label;
  for (const line of text.split('\n')) process.stdout.write(`${prefix} ${line}\n`);
}

export const say = (text) => printLines('holdfast', text);
