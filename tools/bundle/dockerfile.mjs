import { readFileSync } from 'node:fs';

const text = readFileSync(new URL('../../docker/Dockerfile', import.meta.url), 'utf8').replaceAll('\\\n', ' ');

/** What the image of `target` runs: the command, its variables, and the health check where it has one. */
export function readImage(target) {
  const stage = text.split(/^(?=FROM )/m).find((part) => new RegExp(`^FROM \\S+ AS ${target}\\s`).test(part));
  if (!stage) throw new Error(`docker/Dockerfile has no target ${target}`);
  const lines = stage.split('\n').map((line) => line.trim());
  const argument = (instruction) => lines.find((line) => line.startsWith(instruction))?.slice(instruction.length);
  const command = (line) => line && JSON.parse(line.slice(line.indexOf('[')));
  return {
    command: command(argument('CMD ')),
    healthCheck: command(argument('HEALTHCHECK ')),
    env: Object.fromEntries(
      (argument('ENV ') ?? '')
        .split(' ')
        .filter(Boolean)
        .map((pair) => pair.split('=')),
    ),
  };
}
