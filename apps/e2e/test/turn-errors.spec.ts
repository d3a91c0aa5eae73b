import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const codesOf = (text: string, form: RegExp) => [...text.matchAll(form)].map(([, code]) => code!);

/** What turns are ended with, and what notices are written. */
const SOURCES = ['apps/runner/src', 'libs/sessions/src', 'libs/sessions-streams/src'];
const FORMS = [/\bcode: '(\w+)',\s*message\b/g, /\bTurnFailure\(\s*'(\w+)'/g];
const TABLE_ROW = /^\| `(\w+)` \|/gm;
/** What a beat is answered with comes in the same form. */
const ANSWER_TO_BEAT = /`error\.code: (\w+)`/g;

describe('docs/reference/turn-errors.md', () => {
  const sources = SOURCES.flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
      .map((file) => read(path.join(folder, file))),
  );
  const answers = codesOf(read('docs/reference/runners.md'), ANSWER_TO_BEAT);
  const inSources = new Set(FORMS.flatMap((form) => sources.flatMap((text) => codesOf(text, form))));

  it('has every code that a turn ends with or a notice tells, and no other', () => {
    const documented = codesOf(read('docs/reference/turn-errors.md'), TABLE_ROW);
    expect(documented.toSorted()).toEqual([...inSources].filter((code) => !answers.includes(code)).sort());
  });
});
