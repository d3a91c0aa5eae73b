import { SessionAccess, ShareCredentials, type Principal, type ShareEndReason } from '@holdfast/platform-auth';
import { LogReader } from '@holdfast/durable-streams';
import { UnitOfWork } from '@holdfast/platform-postgres';
import { SessionsDirectoryReader } from '@holdfast/sessions-directory';
import {
  JoinSession,
  ParticipantsReader,
  SharesReader,
  SharesService,
  TasksReader,
  TasksService,
} from '@holdfast/sessions-sharing';
import { sessionLogKey } from '@holdfast/sessions-streams';
import { eventually } from '@holdfast/testing';
import {
  ArchiveSessionFlow,
  CreateSessionFlow,
  DeleteSessionFlow,
  HandOverTurnFlow,
  InvokeSessionFlow,
  KillSessionFlow,
} from '../src/index.js';
import { startFlows, type Flows, type OwnedTurn, type Project } from './flows-fixture.js';

/** Two processes of the api on one database: what ends in one of them has ended in the other. */
let first: Flows;
let second: Flows;
let project: Project;
beforeAll(async () => {
  first = await startFlows();
  second = await startFlows({}, first);
  project = await first.newProject();
});
afterAll(async () => {
  await second?.stop();
  await first?.stop();
});

let worlds = 0;

/**
 * root ─┬─ host ─┬─ remote ── below
 *       │        └─ own
 *       └─ sibling
 */
async function aTree() {
  const prefix = `w${(worlds += 1)}`;
  const { project_id, principal } = project;
  const tasks = first.app.get(TasksService);
  const node = async (name: string, parent_task_id?: string) => {
    const session_id = `${prefix}-${name}`;
    await first.app.get(CreateSessionFlow).run({ project_id, session_id }, {}, principal.key_id);
    const { task_id } = await tasks.create(principal, { name, parent_task_id, session_id, location: 'remote' });
    return { session_id, task_id };
  };
  const root = await node('root');
  const host = await node('host', root.task_id);
  const sibling = await node('sibling', root.task_id);
  const remote = await node('remote', host.task_id);
  const own = await node('own', host.task_id);
  const below = await node('below', remote.task_id);
  return { root, host, sibling, remote, own, below };
}

type Tree = Awaited<ReturnType<typeof aTree>>;
type Node = Tree['root'];

const share = async (by: Principal, create: { session_id?: string; task_id?: string; scope: 'session' | 'tree' }) => {
  const made = await first.app.get(SharesService).create(by, { ...create, role: 'full' }, undefined);
  return { share_id: made.share.share_id, token: made.token };
};
const authenticate = (token: string, flows: Flows = first) => flows.app.get(ShareCredentials).authenticate(token);
const join = async (token: string) => {
  const { participant_token } = await first.app
    .get(JoinSession)
    .join(await authenticate(token), { source_type_format: 'detailed' });
  return participant_token!;
};

/** A share, and every credential by which somebody comes through it. */
interface Grant {
  name: string;
  share_id: string;
  tokens: string[];
  /** What it opens. */
  reach: Node[];
  /** Of a share of a tree, where that begins. */
  top?: Node;
}

async function grant(
  name: string,
  made: { share_id: string; token: string },
  reach: Node[],
  top?: Node,
): Promise<Grant> {
  return { name, share_id: made.share_id, tokens: [made.token, await join(made.token)], reach, top };
}

/** Everything that was shared of the host, and what was made through that. */
async function sharesOfHost({ host, remote, own, below }: Tree): Promise<Grant[]> {
  const { principal } = project;
  const tree = [host, remote, own, below];
  const ofTree = await grant(
    'the tree',
    await share(principal, { session_id: host.session_id, scope: 'tree' }),
    tree,
    host,
  );
  const throughIt = await share(await authenticate(ofTree.tokens[1]!), {
    session_id: own.session_id,
    scope: 'session',
  });
  return [
    ofTree,
    await grant('what was made through it', throughIt, [own]),
    await grant('the session', await share(principal, { session_id: host.session_id, scope: 'session' }), [host]),
    await grant('the task', await share(principal, { task_id: host.task_id, scope: 'tree' }), tree, host),
  ];
}

/** What was granted beside: of an ancestor, of a child that somebody shared by itself, of a remote child by itself. */
async function independentShares({ root, host, sibling, remote, own, below }: Tree): Promise<Grant[]> {
  const { principal, project_id } = project;
  const shares = first.app.get(SharesService);
  await first.app.get(UnitOfWork).run((tx) => shares.shareTask(tx, { project_id, task_id: remote.task_id }));
  const { data } = await first.app.get(SharesReader).query(principal, {
    task_id: remote.task_id,
    include_ended: false,
    limit: 10,
  });
  const automatic = data.find(({ origin }) => origin === 'automatic')!;
  const { token } = await shares.rotate(principal, automatic.share_id);
  return [
    await grant(
      'of the ancestor',
      await share(principal, { session_id: root.session_id, scope: 'tree' }),
      [root, host, sibling, remote, own, below],
      root,
    ),
    await grant('of the child', await share(principal, { session_id: own.session_id, scope: 'session' }), [own]),
    await grant('of the remote child, by itself', { share_id: automatic.share_id, token }, [remote]),
  ];
}

/** Every way to look at a session, or to act in it, as a route finds it open: who calls is authenticated first. */
const WAYS: [string, (flows: Flows, caller: Principal, node: Node) => Promise<unknown>][] = [
  [
    'the session',
    async (flows, caller, { session_id }) => {
      await flows.app.get(SessionAccess).require(caller, session_id, 'reader');
      return flows.app.get(SessionsDirectoryReader).fetchSession({ project_id: caller.project_id, session_id });
    },
  ],
  [
    'its log',
    async (flows, caller, { session_id }) => {
      await flows.app.get(SessionAccess).require(caller, session_id, 'reader');
      return flows.app.get(LogReader).locate(sessionLogKey({ project_id: caller.project_id, session_id }), '-1');
    },
  ],
  [
    'its participants',
    (flows, caller, { session_id }) =>
      flows.app.get(ParticipantsReader).query(caller, { session_id, include_left: false, limit: 10 }),
  ],
  ['its task', (flows, caller, { task_id }) => flows.app.get(TasksReader).fetch(caller, task_id)],
];

/** As those who see a subtree find its activity: where to follow it from, and that it can be read there. */
async function followActivity(flows: Flows, caller: Principal, { task_id }: Node): Promise<unknown> {
  const { activity } = await flows.app.get(TasksReader).query(caller, { ancestor_task_id: task_id, limit: 10 });
  if (!activity) throw new Error('there is no activity to follow');
  const path = activity.path.replace('/v1/stream/', '');
  await flows.app.get(SessionAccess).requireTask(caller, path.split('/')[1]!, 'reader');
  return flows.app.get(LogReader).locate({ project_id: caller.project_id, path }, activity.offset);
}

const codeOf = (attempt: Promise<unknown>): Promise<string | undefined> =>
  attempt.then(
    () => undefined,
    (error: { code?: string }) => error.code ?? String(error),
  );

/** What a token does not open of what its share opened; nothing when it opens all of it. */
async function closed(flows: Flows, { tokens, reach, top }: Grant): Promise<string[]> {
  const faults: string[] = [];
  for (const token of tokens) {
    if (top) {
      const outcome = await codeOf(authenticate(token, flows).then((caller) => followActivity(flows, caller, top)));
      if (outcome) faults.push(`${top.session_id} its activity: ${outcome}`);
    }
    for (const node of reach) {
      for (const [way, look] of WAYS) {
        const outcome = await codeOf(authenticate(token, flows).then((caller) => look(flows, caller, node)));
        if (outcome) faults.push(`${node.session_id} ${way}: ${outcome}`);
      }
    }
  }
  return faults;
}

async function refusal(attempt: () => Promise<unknown>): Promise<unknown> {
  try {
    return await attempt();
  } catch (error) {
    const { code, members } = error as { code?: string; members?: { reason?: string } };
    return [code, members?.reason];
  }
}

/** A live turn of the host, as its runner owns it. */
async function running({ session_id }: Node): Promise<OwnedTurn> {
  await project.send(session_id);
  const turn = await project.claim(session_id);
  await project.run(turn);
  return turn;
}

/** How a host, or a share, comes to its end. The first three end one share, the others all of their host. */
const ENDS: [string, ShareEndReason, (tree: Tree, of: Grant) => Promise<unknown>, 'one' | 'all'][] = [
  ['stop', 'stopped', (_, { share_id }) => revoke(share_id, 'stopped'), 'one'],
  ['revoke', 'revoked', (_, { share_id }) => revoke(share_id, 'revoked'), 'one'],
  [
    'expiry',
    'expired',
    (_, { share_id }) =>
      first.sql(`UPDATE shares SET expires_at = now() - interval '1 second' WHERE project_id = $1 AND share_id = $2`, [
        project.project_id,
        share_id,
      ]),
    'one',
  ],
  ['kill', 'killed', ({ host }) => first.app.get(KillSessionFlow).run(project.principal, host.session_id), 'all'],
  [
    'archive',
    'archived',
    ({ host }) => first.app.get(ArchiveSessionFlow).archive(project.principal, host.session_id),
    'all',
  ],
  ['delete', 'deleted', ({ host }) => first.app.get(DeleteSessionFlow).run(project.principal, host.session_id), 'all'],
  [
    'runner lost',
    'runner_lost',
    async ({ host }) => {
      const { project_id, ...turn } = await running(host);
      await first.sql(
        `UPDATE session_turns SET lost_attempts = max_attempts - 1 WHERE project_id = $1 AND turn_id = $2`,
        [project_id, turn.turn_id],
      );
      await first.app.get(HandOverTurnFlow).run(project_id, { ...turn, reason: 'lost_contact' });
      expect((await project.turn(turn.turn_id)).status).toBe('lost');
    },
    'all',
  ],
];

const revoke = (share_id: string, reason: 'stopped' | 'revoked') =>
  first.app.get(SharesService).revoke(project.principal, { share_id, reason });

describe('a host that has ended by', () => {
  it.each(ENDS)(
    'Q31, Q32, Q33: %s leaves nothing reachable through it, and touches no grant of its own right',
    async (how, reason, end, which) => {
      const tree = await aTree();
      const subjects = await sharesOfHost(tree);
      const independent = await independentShares(tree);
      const all = [...subjects, ...independent];
      for (const flows of [first, second]) {
        for (const one of all) expect([one.name, await closed(flows, one)]).toEqual([one.name, []]);
      }
      // Views that are open are told, in both processes, and look at once.
      const told = new Set<string>();
      const stops = [first, second].map((flows, index) =>
        flows.app.get(ShareCredentials).onChange((share_id) => told.add(`${index} ${share_id}`)),
      );

      if (which === 'all') await end(tree, subjects[0]!);
      else for (const subject of subjects) await end(tree, subject);

      // What is made through another one ends with it, whatever else may befall it.
      for (const { name, tokens } of subjects) {
        for (const token of tokens) {
          for (const flows of [first, second]) {
            const attempt = () => refusal(() => authenticate(token, flows));
            // Whoever is authenticated is so for a second at most where nothing tells of the end, as of an expiry.
            await eventually(async () => expect([name, await attempt()]).toEqual([name, ['share_ended', reason]]), {
              timeout: 10_000,
            });
          }
        }
      }
      for (const flows of [first, second]) {
        for (const one of subjects) {
          expect([one.name, new Set((await closed(flows, one)).map((line) => line.split(': ')[1]))]).toEqual([
            one.name,
            new Set(['share_ended']),
          ]);
        }
      }
      if (how !== 'expiry') {
        await eventually(async () => {
          for (const { share_id } of subjects)
            for (const index of [0, 1]) expect(told).toContain(`${index} ${share_id}`);
        });
      }
      for (const stop of stops) stop();

      // Only the host itself may be gone, and nobody was cut off.
      const isGone = how === 'delete';
      for (const flows of [first, second]) {
        for (const one of independent) {
          const left = { ...one, reach: one.reach.filter(({ task_id }) => !isGone || task_id !== tree.host.task_id) };
          expect([one.name, await closed(flows, left)]).toEqual([one.name, []]);
        }
      }
      for (const { share_id } of independent) {
        const { ended_at, end_reason } = await first.app.get(SharesReader).fetch(project.principal, share_id);
        expect([ended_at, end_reason]).toEqual([null, null]);
      }
      expect(
        await refusal(() => first.app.get(SharesReader).queryOpenings(project.principal, opening(tree.host))),
      ).toEqual(
        isGone
          ? ['session_not_found', undefined]
          : {
              data: [expect.objectContaining({ via: 'tree', host_session_id: tree.root.session_id })],
              next_cursor: null,
            },
      );
    },
    120_000,
  );

  it('Q31: delete lets nobody in again when the session is made anew, also not by a share of its ancestors', async () => {
    const tree = await aTree();
    const subjects = await sharesOfHost(tree);
    const [ofAncestor] = await independentShares(tree);
    const { session_id, task_id } = tree.host;
    await first.app.get(DeleteSessionFlow).run(project.principal, session_id);
    await first.app
      .get(InvokeSessionFlow)
      .run(project.principal, { session_id, prompt: 'anew', detached: true }, undefined);

    for (const { tokens } of subjects) {
      for (const token of tokens) expect(await refusal(() => authenticate(token))).toEqual(['share_ended', 'deleted']);
    }
    const caller = await authenticate(ofAncestor!.tokens[0]!);
    const access = first.app.get(SessionAccess);
    expect(await refusal(() => access.require(caller, session_id, 'reader'))).toEqual(['session_not_found', undefined]);
    expect(await first.app.get(TasksReader).fetch(caller, task_id)).toMatchObject({
      session_id: null,
      state: 'cancelled',
    });
    const asked = { session_id, include_ended: true, limit: 50 };
    expect((await first.app.get(SharesReader).query(project.principal, asked)).data).toEqual([]);
    const visitors = { session_id, include_left: true, limit: 50 };
    expect((await first.app.get(ParticipantsReader).query(project.principal, visitors)).data).toEqual([]);
  });

  it('Q31: every end is told in the logs of those whom it concerns, and in no other', async () => {
    const tree = await aTree();
    await sharesOfHost(tree);
    await independentShares(tree);
    await first.app.get(ArchiveSessionFlow).archive(project.principal, tree.host.session_id);
    const ends = async ({ session_id }: Node) =>
      (await project.events(session_id)).filter(({ type }) => type === 'share.ended').map(({ data }) => data);
    expect(await ends(tree.host)).toHaveLength(3);
    expect(await ends(tree.own)).toHaveLength(1);
    for (const node of [tree.root, tree.sibling, tree.remote, tree.below]) expect(await ends(node)).toEqual([]);
    expect(new Set((await ends(tree.host)).map((data) => (data as { reason: string }).reason))).toEqual(
      new Set(['archived']),
    );
  });
});

const opening = ({ session_id }: Node) => ({ session_id, limit: 50 });
