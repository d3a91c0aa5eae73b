import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { createDataSource } from '@holdfast/platform-postgres';
import type { DataSource } from 'typeorm';
import { startStack, type Stack } from '../stack.js';
import type { Answer } from './caller.js';
import { fingerprint } from './fingerprint.js';
import { ALLOWED, CREDENTIALS, readTable, SEEN, UNSEEN, type Row } from './reading.js';
import { AT_REST, REQUESTS, type RouteRequest } from './requests.js';
import { TARGETS, type Credential, type TargetName } from './table.js';
import { openHouse, plantTree, type House, type World } from './tree.js';

const ROWS = readTable();

/** The tree of all requests that take nothing away. */
const MAIN = '';
const AT_A_TIME = 12;

let stack: Stack;
let database: DataSource;
let house: House;
const trees = new Map<string, Promise<World>>();

beforeAll(async () => {
  stack = await startStack({
    runner: false,
    env: { LEASE_SECONDS: '600', RATE_LIMIT_PER_MINUTE: '10000000', LOG_LEVEL: 'warn' },
  });
  const postgres = { url: stack.databaseUrl(), poolSize: 2, applicationName: 'test' };
  database = await createDataSource(postgres, []).initialize();
  house = await openHouse(stack, database);
  // So that nothing happens but what is asked for.
  await stack.workers.stop();
}, 120_000);
afterAll(async () => {
  house?.caller.close();
  await database?.destroy();
  await stack?.stop();
}, 60_000);

it('speaks of each route of the api, and of no other', async () => {
  const listed = [...new Set(ROWS.map(({ route }) => route))].sort();
  expect(listed).toEqual(await routesOfTheApi());
  expect(ROWS.map(({ title }) => title).sort()).toEqual(Object.keys(REQUESTS).sort());
});

/** Of the OpenAPI document that the api serves, and of what it is built of: not all of it is described there. */
async function routesOfTheApi(): Promise<string[]> {
  const file = path.join(import.meta.dirname, 'api-routes.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [file]);
  const { paths } = (await (await fetch(`${stack.url}/openapi.json`)).json()) as { paths: Record<string, object> };
  const described = Object.entries(paths).flatMap(([template, item]) =>
    Object.keys(item).map((verb) => `${verb.toUpperCase()} ${template.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  );
  return [...new Set([...described, ...stdout.trim().split('\n')])].sort();
}

describe.each(ROWS)('$title', (row) => {
  /** Of each credential, what each target was answered. */
  const answers = {} as Record<Credential, Partial<Record<TargetName, string>>>;
  let [before, after]: [unknown?, unknown?] = [];

  beforeAll(async () => {
    const request = REQUESTS[row.title]!;
    for (const credential of CREDENTIALS) answers[credential] = {};
    const cells = cellsOf(row, request);
    const [refused, allowed] = [true, false].map((is) => cells.filter(({ isRefused }) => isRefused === is));
    const limit = request.isLarge ? 1 : AT_A_TIME;
    for (const { tree } of cells) await treeOf(tree);

    // What is to be refused comes first, while nothing else changes anything.
    before = await fingerprint(database, house, await treeOf(MAIN));
    await atATime(limit, refused!, run);
    after = await fingerprint(database, house, await treeOf(MAIN));
    // What takes something away takes it from the children before the parents.
    if (request.byWorkers) await stack.workers.start();
    await atATime(request.tree ? 1 : limit, allowed!, run);
    if (request.byWorkers) await stack.workers.stop();

    async function run(cell: Cell): Promise<void> {
      answers[cell.credential][cell.target] = await answerTo(request, cell);
    }
  }, 120_000);

  it.each(CREDENTIALS)('%s', (credential) => {
    expect(answers[credential]).toEqual(forMethod(row, row.expected[credential]));
  });

  it('has changed nothing where it refused', () => {
    expect(after).toEqual(before);
  });
});

interface Cell {
  credential: Credential;
  target: TargetName;
  tree: string;
  isRefused: boolean;
}

const BELOW_FIRST: TargetName[] = ['private', 'stranger', 'child', 'sibling', 'own', 'parent'];

function cellsOf({ expected }: Row, { tree }: RouteRequest): Cell[] {
  return CREDENTIALS.flatMap((credential) =>
    BELOW_FIRST.filter((target) => expected[credential][target] !== undefined).map((target) => {
      const isRefused = expected[credential][target] !== ALLOWED;
      return { credential, target, isRefused, tree: isRefused || !tree ? MAIN : tree(credential) };
    }),
  );
}

function treeOf(name: string): Promise<World> {
  if (!trees.has(name)) trees.set(name, plantTree(house, name === AT_REST));
  return trees.get(name)!;
}

async function answerTo(request: RouteRequest, { credential, target, tree, isRefused }: Cell): Promise<string> {
  const world = await treeOf(tree);
  const about = { credential, target: world.targets[target], world, house };
  const token = credential === 'foreign' && !isRefused ? house.elsewhere : world.tokens[credential];
  const answer = await house.caller.ask(token, request.ask(about));
  if (request.lists && answer.status === 200) return answer.text.includes(request.lists(about)) ? SEEN : UNSEEN;
  return isAllowed(answer, request) ? ALLOWED : answer.said;
}

const isAllowed = ({ status, said }: Answer, { refusedByState = [] }: RouteRequest) =>
  status < 300 || refusedByState.includes(said);

/** An answer to HEAD has a status only. */
function forMethod({ route }: Row, expected: Partial<Record<TargetName, string>>) {
  if (!route.startsWith('HEAD ')) return expected;
  const statuses = TARGETS.filter((target) => expected[target]).map((target) => {
    const answer = expected[target]!;
    return [target, answer === ALLOWED ? answer : answer.slice(0, 3)];
  });
  return Object.fromEntries(statuses) as Partial<Record<TargetName, string>>;
}

async function atATime<T>(limit: number, items: T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: limit }, worker));
}
