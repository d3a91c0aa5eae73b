const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;

/**
 * A command as a person can copy it into a POSIX shell: the working directory, the variables, every word quoted.
 * Control characters, which a terminal would act on, are written as octal.
 */
export function shellDisplay(command: {
  cwd: string;
  env: Record<string, string>;
  argv: readonly string[];
  stdin: string | null;
}): string {
  const variables = Object.entries(command.env).map(([name, value]) => `${name}=${quoted(value)}`);
  const input = command.stdin === null ? [] : ['printf', '%s', quoted(command.stdin), '|'];
  return ['cd', quoted(command.cwd), '&&', ...input, ...variables, ...command.argv.map(quoted)].join(' ');
}

function quoted(word: string): string {
  if (PLAIN.test(word)) return word;
  if (word.search(CONTROL) < 0) return inQuotes(word);
  const escaped = word
    .replaceAll('\\', '\\\\')
    .replace(CONTROL, (character) => [...Buffer.from(character)].map(octal).join(''));
  return `"$(printf %b ${inQuotes(escaped)})"`;
}

function inQuotes(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function octal(byte: number): string {
  return `\\0${byte.toString(8).padStart(3, '0')}`;
}
