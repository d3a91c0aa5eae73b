import { COLUMNS, REACH, RULES, TARGETS, type Column, type Credential, type TargetName } from './table.js';

/** What one route must answer one credential, for each target that it can be about. */
export type Expected = Partial<Record<TargetName, string>>;

export interface Row {
  /** With what comes after ` # `. */
  title: string;
  /** `GET /v1/…` */
  route: string;
  expected: Record<Credential, Expected>;
}

/** The answer to what is allowed; any of 2xx, or what requests.ts says of the route. */
export const ALLOWED = 'allowed';
export const SEEN = 'seen';
export const UNSEEN = 'unseen';

export const CREDENTIALS: readonly Credential[] = Object.values(COLUMNS).flat();

const columnOf = (credential: Credential) =>
  (Object.keys(COLUMNS) as Column[]).find((column) => (COLUMNS[column] as readonly Credential[]).includes(credential))!;

/** For each way to reach things, the targets that a credential reaches. */
const reaches = readReach();

/** All cells, row by row. */
export function readTable(): Row[] {
  const lines = RULES.split('\n').filter((line) => /^(?![A-Z ,']*$)/.test(line));
  const columns = wordsOf(lines.shift()!.replace('out of reach', 'out')).slice(2) as Column[];
  const rows: Row[] = [];
  let rule: { reach: string; out: string; words: Record<Column, string> };
  for (const line of lines) {
    if (line.startsWith('  ')) {
      const title = line.trim();
      rows.push({ title, route: title.split(' # ')[0]!, expected: expectedOf(rule!) });
    } else {
      const [reach, out, ...words] = wordsOf(line) as [string, string, ...string[]];
      if (words.length !== columns.length) throw new Error(`The rule has ${words.length} cells: ${line}`);
      rule = { reach, out, words: Object.fromEntries(columns.map((column, n) => [column, words[n]!])) as never };
    }
  }
  return rows;
}

function expectedOf({ reach, out, words }: { reach: string; out: string; words: Record<Column, string> }) {
  const [outOfKeys, outOfShares = outOfKeys] = out.split('/');
  const cells = CREDENTIALS.map((credential) => {
    const column = columnOf(credential);
    const isShare = ['reader', 'executor', 'full'].includes(column);
    const outOfReach = refusal((isShare ? outOfShares : outOfKeys)!);
    const word = words[column];
    const way = word === 'role' && reach === 'tree' ? 'session' : reach;
    const reached = reaches[way]![credential] ?? '';
    // What no session has a part in is asked of once.
    const targets = reach === 'project' ? TARGETS.slice(0, 1) : reach === 'through' ? TARGETS.slice(0, 1) : TARGETS;
    return [
      credential,
      Object.fromEntries(
        targets.map((target) => [target, answerOf(word, reached.includes(LETTERS[target]), outOfReach)]),
      ),
    ];
  });
  return Object.fromEntries(cells) as Record<Credential, Expected>;
}

/** `422:code`; without a status it is 404. */
function refusal(code: string): string {
  return code.includes(':') ? code.replace(':', ' ') : `404 ${code}`;
}

const LETTERS: Record<TargetName, string> = {
  own: 'o',
  child: 'c',
  sibling: 's',
  parent: 'p',
  stranger: 'x',
  private: 'l',
};

const SCOPE = '403 credential_scope';
const DENIED = '403 permission_denied';

function answerOf(word: string, isReached: boolean, out: string): string {
  switch (word) {
    case 'ok':
      return isReached ? ALLOWED : out;
    case 'any':
    case 'apart':
      return ALLOWED;
    case 'out':
      return out;
    case 'seen':
      return isReached ? SEEN : UNSEEN;
    case '401':
      return '401 unauthenticated';
    case 'ended':
      return '403 share_ended';
    case 'kind':
      return '403 credential_kind';
    case 'perm':
      return DENIED;
    case 'role':
      return isReached ? DENIED : out;
    case 'agent':
      return isReached ? '403 share_agent_fixed' : out;
    case 'scope':
      return SCOPE;
    case 'own':
      return isReached ? ALLOWED : SCOPE;
    case 'stale':
      return isReached ? '403 stale_epoch' : SCOPE;
    case 'late':
      return isReached ? '403 stale_epoch' : out;
    case 'stale!':
      return '403 stale_epoch';
    case 'reserved':
      return '403 stream_reserved';
    case 'wake':
      return '401 wake_token_invalid';
    default:
      throw new Error(`No word of the table: ${word}`);
  }
}

function readReach(): Record<string, Partial<Record<Credential, string>>> {
  const [head, ...lines] = REACH.split('\n').filter((line) => line.trim() !== '');
  const ways = wordsOf(head!);
  const table: Record<string, Partial<Record<Credential, string>>> = {};
  for (const way of ways) table[way] = {};
  for (const line of lines) {
    // Names of credentials have spaces; cells have none.
    const words = wordsOf(line);
    const cells = words.splice(-ways.length);
    ways.forEach((way, n) => (table[way]![words.join(' ') as Credential] = cells[n]!));
  }
  return table;
}

function wordsOf(line: string): string[] {
  return line.trim().split(/\s+/);
}
