import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { REQUIREMENTS, TOPOLOGIES, WAIVED } from './sharing-requirements.js';

const root = path.resolve(import.meta.dirname, '../../..');

/** Files of tests, as paths from the root. */
const specs = ['apps', 'libs'].flatMap((folder) =>
  readdirSync(path.join(root, folder)).flatMap((project) =>
    readdirSync(path.join(root, folder, project), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.spec.ts') && !/(^|\/)(node_modules|dist)\//.test(file))
      .map((file) => path.join(folder, project, file)),
  ),
);

/** The titles of a file's tests, with all other text in quotes; what stands in comments is none. */
function quotedIn(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(path.join(root, file), 'utf8'), ts.ScriptTarget.Latest);
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node)) texts.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return texts;
}

/** Which numbers of this form the tests carry, and in which files. */
function carried(form: RegExp, files: string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const file of files) {
    const numbers = new Set(quotedIn(file).flatMap((text) => text.match(form) ?? []));
    for (const number of numbers) found.set(number, [...(found.get(number) ?? []), file]);
  }
  return found;
}

describe('what sharing has to do', () => {
  const found = carried(/\bQ\d+\b/g, specs);
  const required = Object.keys(REQUIREMENTS).filter((number) => !(number in WAIVED));
  const isHeldIn = (folders: RegExp) => (number: string) => found.get(number)?.some((file) => folders.test(file));

  it('is 67 requirements, each with a test whose title carries its number', () => {
    const numbers = Array.from({ length: 67 }, (_, index) => `Q${String(index + 1).padStart(2, '0')}`);
    expect(Object.keys(REQUIREMENTS)).toEqual(numbers);
    expect(required.filter((number) => !found.has(number))).toEqual([]);
    expect([...found.keys()].filter((number) => !(number in REQUIREMENTS))).toEqual([]);
  });

  it('is proven by real processes where the server does it, and with the client where that does', () => {
    const server = required.filter((number) => REQUIREMENTS[number]!.of !== 'client');
    expect(server.filter((number) => !isHeldIn(/^apps\/e2e\//)(number))).toEqual([]);
    const client = required.filter((number) => REQUIREMENTS[number]!.of !== 'server');
    const withClient = /^(libs\/client|apps\/e2e\/(test\/sharing-(sdk|cli)|browser\/))/;
    expect(client.filter((number) => !isHeldIn(withClient)(number))).toEqual([]);
  });

  it('is left out of the tests only where a window alone could show it', () => {
    expect(Object.keys(WAIVED).filter((number) => !(number in REQUIREMENTS) || found.has(number))).toEqual([]);
  });

  it('is shown by real agents wherever parents and children may run', () => {
    const shown = carried(/\bT\d\b/g, ['apps/e2e/real-agents/topologies.e2e.spec.ts']);
    expect([...shown.keys()].sort()).toEqual(TOPOLOGIES);
  });
});
