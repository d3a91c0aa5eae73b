import { randomUUID } from 'node:crypto';
import { TaskMessagesRepository } from '../src/messages/task-messages.repository.js';
import { SharingRetention } from '../src/sharing-retention.js';
import { openParticipants, type OpenParticipants } from './participants-database.js';

let db: OpenParticipants;
let retention: SharingRetention;

beforeAll(async () => {
  db = await openParticipants();
  retention = new SharingRetention(db.unitOfWork);
});
afterAll(() => db?.close());

const count = async (table: string, project_id: string) => {
  const rows = await db.unitOfWork.query(`SELECT FROM ${table} WHERE project_id = $1`, [project_id]);
  return rows.length;
};

describe('a message', () => {
  /** Sent 40 days ago, to a task for each of `delivered`: so many days ago, or not yet. */
  async function aMessage(delivered: (number | null)[]) {
    const project_id = randomUUID();
    const to: string[] = [];
    for (const _ of delivered) to.push(await db.aTask(project_id, randomUUID()));
    const message = {
      kind: 'message',
      from_task_id: to[0]!,
      root_task_id: to[0]!,
      subject: null,
      body: 'hello',
    } as const;
    const message_id = randomUUID();
    const messages = new TaskMessagesRepository(db.unitOfWork);
    await db.unitOfWork.run((tx) => messages.insert(tx, { project_id, message_id, ...message }, to));
    await db.unitOfWork.query(
      `UPDATE task_messages SET created_at = now() - interval '40 days' WHERE project_id = $1`,
      [project_id],
    );
    await db.unitOfWork.query(
      `UPDATE task_message_recipients r SET delivered_at = now() - make_interval(days => taken.days)
         FROM unnest($2::uuid[], $3::int[]) AS taken (task_id, days)
        WHERE r.project_id = $1 AND r.to_task_id = taken.task_id`,
      [project_id, to, delivered],
    );
    return { project_id, to };
  }

  const ended = (task_id: string, days: number) =>
    db.unitOfWork.query(
      `UPDATE tasks SET state = 'succeeded', ended_at = now() - make_interval(days => $2) WHERE task_id = $1`,
      [task_id, days],
    );

  it('is forgotten 30 days after the last took it, with all that is noted of it', async () => {
    const { project_id } = await aMessage([39, 31]);
    await retention.prune(1_000);
    expect(await count('task_messages', project_id)).toBe(0);
    expect(await count('task_message_recipients', project_id)).toBe(0);
  });

  it.each([
    ['was taken by another one lately', [39, 29]],
    ['may be taken still, however old it is', [39, null]],
  ])('stays whole while it %s', async (_, delivered) => {
    const { project_id } = await aMessage(delivered);
    await retention.prune(1_000);
    expect(await count('task_messages', project_id)).toBe(1);
    expect(await count('task_message_recipients', project_id)).toBe(2);
  });

  it('that nobody took is forgotten 30 days after its task has ended', async () => {
    const [lately, longAgo] = [await aMessage([null]), await aMessage([null])];
    await ended(lately.to[0]!, 29);
    await ended(longAgo.to[0]!, 31);
    await retention.prune(1_000);
    expect(await count('task_messages', lately.project_id)).toBe(1);
    expect(await count('task_messages', longAgo.project_id)).toBe(0);
  });

  it('is forgotten in batches, and the count says that there may be more', async () => {
    await retention.prune(1_000);
    for (let left = 3; left > 0; left--) await aMessage([39]);
    expect(await retention.prune(2)).toBe(2);
    expect(await retention.prune(2)).toBe(1);
    expect(await retention.prune(2)).toBe(0);
  });
});

describe('a request for a role', () => {
  it('is forgotten 30 days after it was settled; one that waits stays', async () => {
    const share = await db.aShare();
    const [asker, another] = [await db.joined(share.token), await db.joined(share.token)];
    const key = db.aKey(share.project_id, 'VIEW_SESSIONS', 'EDIT_SESSIONS');
    const asked = { participant_id: asker.participant_id, role: 'executor' } as const;
    const { request_id } = await db.requests.request(asker.me, asked);
    await db.requests.answer(key, { request_id, verdict: 'deny' });
    await db.requests.request(another.me, { participant_id: another.participant_id, role: 'full' });
    const past = (days: number) =>
      db.unitOfWork.query(
        `UPDATE share_role_requests SET created_at = now() - interval '60 days',
                answered_at = CASE WHEN status <> 'pending' THEN now() - make_interval(days => $2) END
          WHERE project_id = $1`,
        [share.project_id, days],
      );
    await past(29);
    await retention.prune(1_000);
    expect(await count('share_role_requests', share.project_id)).toBe(2);
    await past(31);
    await retention.prune(1_000);
    const [left] = await db.unitOfWork.query<{ status: string }>(
      `SELECT status FROM share_role_requests WHERE project_id = $1`,
      [share.project_id],
    );
    expect(left).toEqual({ status: 'pending' });
  });
});

describe('a share', () => {
  const endedFor = async (share: { project_id: string; share_id: string }, days: number) => {
    await db.revoke(share);
    await db.unitOfWork.query(
      `UPDATE shares SET created_at = now() - interval '60 days', ended_at = now() - make_interval(days => $2)
        WHERE share_id = $1`,
      [share.share_id, days],
    );
  };

  it('is forgotten 30 days after its end: its link is nobody’s then', async () => {
    const [lives, lately, longAgo] = [await db.aShare(), await db.aShare(), await db.aShare()];
    await endedFor(lately, 29);
    await endedFor(longAgo, 31);
    await retention.prune(1_000);
    await db.joined(lives.token);
    await expect(db.principalOf(lately.token)).rejects.toMatchObject({ code: 'share_ended' });
    await expect(db.principalOf(longAgo.token)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('stays as long as somebody is remembered who came by it', async () => {
    const share = await db.aShare();
    const { token } = await db.joined(share.token);
    await endedFor(share, 31);
    await retention.prune(1_000);
    await expect(db.principalOf(token)).rejects.toMatchObject({ code: 'share_ended' });
  });

  it('that a task made of itself stays: it makes no other when it is claimed again', async () => {
    const share = await db.aShare();
    await endedFor(share, 31);
    await db.unitOfWork.query(`UPDATE shares SET origin = 'automatic' WHERE share_id = $1`, [share.share_id]);
    await retention.prune(1_000);
    expect(await count('shares', share.project_id)).toBe(1);
  });
});
