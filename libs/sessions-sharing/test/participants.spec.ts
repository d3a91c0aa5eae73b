import { randomUUID } from 'node:crypto';
import { MAX_PARTICIPANTS } from '../src/participants/join-session.service.js';
import { openParticipants, type OpenParticipants } from './participants-database.js';

let db: OpenParticipants;
beforeAll(async () => {
  db = await openParticipants();
}, 60_000);
afterAll(() => db?.close());

const code = (expected: string) => expect.objectContaining({ code: expected });
const typesOf = async (project_id: string, session_id?: string) =>
  (await db.events(project_id, session_id)).map(({ type }) => type);
const listed = async (share: { project_id: string; session_id: string }, include_left = false) => {
  const key = db.aKey(share.project_id, 'VIEW_SESSIONS');
  return (await db.reader.query(key, { session_id: share.session_id, include_left, limit: 200 })).data;
};

describe('joining', () => {
  it('a link makes another participant each time; the token of one comes back as the same', async () => {
    const share = await db.aShare();
    const first = await db.joined(share.token, { name: 'one' });
    const second = await db.joined(share.token);
    expect(second.participant_id).not.toBe(first.participant_id);

    const again = await db.join(first.token);
    expect(again).toMatchObject({ participant_id: first.participant_id, participant_token: null });
    expect(await listed(share)).toMatchObject([
      { participant_id: first.participant_id, name: 'one', join_order: 1, kind: 'share', is_present: true },
      { participant_id: second.participant_id, name: null, join_order: 2 },
    ]);
    expect(await typesOf(share.project_id)).toEqual(['participant.joined', 'participant.joined']);
  });

  it('places in the order of joining are unique and grow, however many come at once, and are kept by who comes back', async () => {
    const share = await db.aShare();
    const all = await Promise.all(Array.from({ length: 12 }, () => db.joined(share.token)));
    const orders = (await listed(share)).map(({ join_order }) => join_order);
    expect(orders).toEqual([...orders].sort((a, b) => a - b));
    expect(new Set(orders).size).toBe(12);

    const third = all[2]!;
    const before = (await listed(share)).find((one) => one.participant_id === third.participant_id)!;
    await db.service.leave(third.me, third.participant_id);
    await db.joined(share.token);
    await db.join(third.token);
    const after = (await listed(share)).find((one) => one.participant_id === third.participant_id)!;
    expect(after.join_order).toBe(before.join_order);
    expect(await typesOf(share.project_id)).toContain('participant.left');
  });

  it('with a key, a session has to be named; each join is another participant unless its own is named', async () => {
    const { project_id } = await db.aShare();
    const key = db.aKey(project_id, 'VIEW_SESSIONS', 'RUN_SESSIONS');
    await expect(db.joinWithKey(key, {})).rejects.toEqual(code('request_invalid'));
    const first = await db.joinWithKey(key, { session_id: 'chat' });
    expect(first).toMatchObject({ participant_token: null, share: null, role: 'executor' });
    const second = await db.joinWithKey(key, { session_id: 'chat' });
    expect(second.participant_id).not.toBe(first.participant_id);
    const back = await db.joinWithKey(key, { session_id: 'chat', participant_id: first.participant_id });
    expect(back.participant_id).toBe(first.participant_id);

    const other = db.aKey(project_id, 'VIEW_SESSIONS');
    const foreign = { session_id: 'chat', participant_id: first.participant_id };
    await expect(db.joinWithKey(other, foreign)).rejects.toEqual(code('participant_not_found'));
  });

  it('nobody becomes a participant of somebody else by naming it', async () => {
    const share = await db.aShare();
    const [one, other] = [await db.joined(share.token), await db.joined(share.token)];
    const named = { participant_id: other.participant_id };
    await expect(db.join(share.token, named)).rejects.toEqual(code('participant_not_found'));
    await expect(db.join(one.token, named)).rejects.toEqual(code('participant_not_found'));
  });

  it('a session takes so many participants, and those who are there still come back', async () => {
    const share = await db.aShare();
    const here = await db.joined(share.token);
    await db.unitOfWork.query(
      `WITH others AS (
         INSERT INTO share_participants (project_id, participant_id, share_id, session_id, joined_at)
         SELECT $1, gen_random_uuid(), $2, $3, now() - interval '2 hours' FROM generate_series(2, $4::int) RETURNING participant_id)
       INSERT INTO session_visits (project_id, session_id, participant_id, join_order)
       SELECT $1, $3, participant_id, row_number() OVER () + 1 FROM others`,
      [share.project_id, share.share_id, share.session_id, MAX_PARTICIPANTS],
    );
    await expect(db.join(share.token)).rejects.toEqual(code('participant_limit'));
    const back = await db.join(here.token);
    expect(back.participants).toHaveLength(200);

    const key = db.aKey(share.project_id, 'VIEW_SESSIONS');
    const next = await db.reader.query(key, {
      session_id: share.session_id,
      include_left: false,
      limit: 200,
      cursor: back.participants_next_cursor!,
    });
    expect(next.data[0]!.join_order).toBe(201);
    await db.service.leave(here.me, here.participant_id);
    await expect(db.join(share.token)).resolves.toMatchObject({ role: 'reader' });
  });

  it.each([
    ['a session', false],
    ['a task without one', true],
  ])('a link to %s makes so many participants within an hour, and who came by it comes back', async (_, ofTask) => {
    const project_id = randomUUID();
    const task_id = ofTask ? await db.aTask(project_id, null) : null;
    const share = await db.aShare({ project_id, task_id });
    const here = await db.joined(share.token);
    await db.unitOfWork.query(
      `INSERT INTO share_participants (project_id, participant_id, share_id, left_at, left_reason, joined_at)
       SELECT $1, gen_random_uuid(), $2, now(), 'left', now() - make_interval(mins => CASE WHEN place > 999 THEN 61 ELSE 30 END)
         FROM generate_series(1, 1500) place`,
      [project_id, share.share_id],
    );
    await expect(db.join(share.token)).rejects.toMatchObject({ code: 'participant_limit', members: { limit: 1_000 } });
    await expect(db.join(here.token)).resolves.toMatchObject({ participant_id: here.participant_id });
    await db.unitOfWork.query(
      `UPDATE share_participants SET joined_at = now() - interval '2 hours' WHERE participant_id = $1`,
      [here.participant_id],
    );
    await expect(db.join(share.token)).resolves.toMatchObject({ role: 'reader' });
  });

  it('a share that ends while somebody joins lets them in before, or not at all', async () => {
    for (let round = 0; round < 8; round++) {
      const share = await db.aShare();
      const link = await db.principalOf(share.token);
      const [joined] = await Promise.allSettled([db.join(share.token), db.revoke(share)]);
      if (joined.status === 'rejected') expect(joined.reason).toEqual(code('share_ended'));
      expect(link.share.share_id).toBe(share.share_id);
      // Whoever came in before is taken out with the share, whatever the order was.
      expect(await listed(share)).toEqual([]);
      await db.sweeper.run();
      const left = (await db.events(share.project_id)).filter(({ type }) => type === 'participant.left');
      expect(left.map(({ data }) => data['reason'])).toEqual(joined.status === 'fulfilled' ? ['revoked'] : []);
    }
  });

  it('moving on to another session leaves the one before, with its selection', async () => {
    const { project_id } = await db.aShare();
    const key = db.aKey(project_id, 'VIEW_SESSIONS');
    const { participant_id } = await db.joinWithKey(key, { session_id: 'chat' });
    await db.service.edit(key, { participant_id, selection: { text: 'here' } });
    const moved = await db.joinWithKey(key, { session_id: 'other', participant_id });
    expect(moved.participants).toMatchObject([{ participant_id, session_id: 'other', selection: null }]);
    expect(await listed({ project_id, session_id: 'chat' })).toEqual([]);
    // Where it went is not told to those whom it left.
    expect(await listed({ project_id, session_id: 'chat' }, true)).toMatchObject([
      { participant_id, session_id: null, is_present: false },
    ]);
    expect((await db.events(project_id)).at(-1)).toMatchObject({
      type: 'participant.left',
      data: { reason: 'moved', participant: { participant_id, session_id: null } },
    });
    expect(await typesOf(project_id, 'other')).toEqual(['participant.joined']);
  });

  it('what is of one project is not found from another', async () => {
    const share = await db.aShare();
    const { me, participant_id } = await db.joined(share.token);
    await db.requests.request(me, { participant_id, role: 'full' });
    const key = db.aKey(randomUUID(), 'VIEW_SESSIONS', 'RUN_SESSIONS', 'EDIT_SESSIONS');
    const stranger = { ...key, key_id: participant_id };
    await expect(db.service.leave(stranger, participant_id)).rejects.toEqual(code('participant_not_found'));
    const [request] = (
      await db.reader.queryRequests(db.aKey(share.project_id, 'VIEW_SESSIONS'), { session_id: 'chat', limit: 50 })
    ).data;
    const answer = { request_id: request!.request_id, verdict: 'approve' as const };
    await expect(db.requests.answer(key, answer)).rejects.toEqual(code('role_request_not_found'));
    const query = { session_id: 'chat', include_left: true, limit: 50 };
    await expect(db.reader.query(key, query)).rejects.toEqual(code('session_not_found'));
    await expect(db.reader.queryRequests(key, query)).rejects.toEqual(code('session_not_found'));
  });
});

describe('presence', () => {
  it('who is not heard of is absent first, then gone, and comes back as the same', async () => {
    const share = await db.aShare();
    const { token, me, participant_id } = await db.joined(share.token);
    await db.unheardOf(participant_id, 50);
    await db.sweeper.run();
    expect(await listed(share)).toMatchObject([{ participant_id, is_present: false }]);
    await db.presence.seen(me, ['chat']);
    expect(await listed(share)).toMatchObject([{ participant_id, is_present: true }]);

    await db.unheardOf(participant_id, 100);
    await Promise.all([db.sweeper.run(), db.sweeper.run()]);
    expect(await listed(share)).toEqual([]);
    expect((await db.events(share.project_id)).slice(1)).toMatchObject([
      { type: 'participant.left', data: { reason: 'timed_out' } },
    ]);
    await expect(db.service.edit(me, { participant_id })).rejects.toEqual(code('participant_away'));
    expect(await db.join(token)).toMatchObject({ participant_id });
    expect(await listed(share)).toMatchObject([{ participant_id, join_order: 1, is_present: true }]);
  });

  it("a key's open view keeps those of its participants that look at what it shows", async () => {
    const { project_id } = await db.aShare();
    await db.aShare({ project_id, session_id: 'other' });
    const key = db.aKey(project_id, 'VIEW_SESSIONS');
    const chat = await db.joinWithKey(key, { session_id: 'chat' });
    const other = await db.joinWithKey(key, { session_id: 'other' });
    for (const { participant_id } of [chat, other]) await db.unheardOf(participant_id, 60);
    await db.presence.seen(key, ['chat']);
    expect(await listed({ project_id, session_id: 'chat' })).toMatchObject([{ is_present: true }]);
    expect(await listed({ project_id, session_id: 'other' })).toMatchObject([{ is_present: false }]);
  });

  it('leaving twice is leaving once', async () => {
    const share = await db.aShare();
    const { me, participant_id } = await db.joined(share.token);
    await Promise.all([db.service.leave(me, participant_id), db.service.leave(me, participant_id)]);
    expect(await typesOf(share.project_id)).toEqual(['participant.joined', 'participant.left']);
  });

  it('who left long ago is forgotten; places in the order are not given away again', async () => {
    const share = await db.aShare();
    const [first, last] = [await db.joined(share.token), await db.joined(share.token)];
    for (const { me, participant_id } of [first, last]) await db.service.leave(me, participant_id);
    await db.unitOfWork.query(
      `UPDATE share_participants SET left_at = now() - interval '31 days' WHERE project_id = $1`,
      [share.project_id],
    );
    await db.sweeper.prune(1_000);
    expect(await listed(share, true)).toMatchObject([{ participant_id: last.participant_id }]);
    await db.joined(share.token);
    expect((await listed(share)).map(({ join_order }) => join_order)).toEqual([3]);
  });

  it('another link cuts off those who came by the one before, and says so', async () => {
    const share = await db.aShare();
    const { me, participant_id } = await db.joined(share.token);
    await db.requests.request(me, { participant_id, role: 'full' });
    await db.unitOfWork.run((tx) => db.ofShare.cutOff(tx, share));
    expect(await typesOf(share.project_id)).toEqual([
      'participant.joined',
      'role.requested',
      'role.answered',
      'participant.left',
    ]);
  });
});

describe('a selection', () => {
  it('is told once; the same again is told to nobody', async () => {
    const share = await db.aShare();
    const { me, participant_id } = await db.joined(share.token);
    const selection = { session_id: 'chat', record_id: 'r-1', text: 'these words' };
    await db.service.edit(me, { participant_id, selection });
    await db.service.edit(me, { participant_id, selection: { ...selection } });
    await db.service.edit(me, { participant_id });
    await db.service.edit(me, { participant_id, selection: null });
    const told = (await db.events(share.project_id)).slice(1);
    expect(told.map(({ data }) => data['participant'])).toMatchObject([{ selection }, { selection: null }]);
  });

  it('is small, in the own session, and of nobody but oneself', async () => {
    const share = await db.aShare();
    const { me, participant_id } = await db.joined(share.token);
    const other = await db.joined(share.token);
    const tooLarge = { participant_id, selection: { text: 'ä'.repeat(600) } };
    await expect(db.service.edit(me, tooLarge)).rejects.toEqual(code('selection_too_large'));
    const elsewhere = { participant_id, selection: { session_id: 'other' } };
    await expect(db.service.edit(me, elsewhere)).rejects.toEqual(code('selection_elsewhere'));
    const foreign = { participant_id: other.participant_id, selection: { text: 'mine' } };
    await expect(db.service.edit(me, foreign)).rejects.toEqual(code('participant_not_found'));
    const link = await db.principalOf(share.token);
    await expect(db.service.edit(link, { participant_id, name: 'x' })).rejects.toEqual(code('participant_not_found'));
  });
});

describe('a request for a role', () => {
  const editor = (project_id: string) => db.aKey(project_id, 'VIEW_SESSIONS', 'RUN_SESSIONS', 'EDIT_SESSIONS');

  it('is one at a time, and the same again is the same', async () => {
    const share = await db.aShare();
    const { me, participant_id } = await db.joined(share.token);
    const [one, same] = await Promise.all([
      db.requests.request(me, { participant_id, role: 'executor' }),
      db.requests.request(me, { participant_id, role: 'executor' }),
    ]);
    expect(same.request_id).toBe(one.request_id);
    const more = { participant_id, role: 'full' as const };
    await expect(db.requests.request(me, more)).rejects.toEqual(code('role_request_pending'));
    await db.requests.withdraw(me, one.request_id);
    await db.requests.withdraw(me, one.request_id);
    await expect(db.requests.request(me, more)).resolves.toMatchObject({ status: 'pending', role: 'full' });
    expect(await typesOf(share.project_id)).toEqual([
      'participant.joined',
      'role.requested',
      'role.answered',
      'role.requested',
    ]);
  });

  it('is for more than one has, and not for whoever came with a key', async () => {
    const share = await db.aShare({ role: 'executor' });
    const { me, participant_id } = await db.joined(share.token);
    const same = { participant_id, role: 'executor' as const };
    await expect(db.requests.request(me, same)).rejects.toEqual(code('role_already_held'));
    const key = db.aKey(share.project_id, 'VIEW_SESSIONS');
    const own = await db.joinWithKey(key, { session_id: 'chat' });
    const ask = { participant_id: own.participant_id, role: 'full' as const };
    await expect(db.requests.request(key, ask)).rejects.toEqual(code('role_of_key'));
  });

  it('is answered once: of two at the same time one wins and the other is told who did', async () => {
    for (let round = 0; round < 5; round++) {
      const share = await db.aShare();
      const { me, token, participant_id } = await db.joined(share.token);
      const { request_id } = await db.requests.request(me, { participant_id, role: 'full' });
      const [one, other] = [editor(share.project_id), editor(share.project_id)];
      const [approved, denied] = await Promise.allSettled([
        db.requests.answer(one, { request_id, verdict: 'approve' }),
        db.requests.answer(other, { request_id, verdict: 'deny' }),
      ]);
      const lost = [approved, denied].filter(({ status }) => status === 'rejected');
      expect(lost).toMatchObject([{ reason: code('role_request_settled') }]);
      const isApproved = approved.status === 'fulfilled';
      const winner = isApproved ? one : other;
      expect(lost[0]).toMatchObject({ reason: { members: { answered_by_id: winner.key_id } } });
      // A retry of the winner is answered like its first call.
      const verdict = isApproved ? ('approve' as const) : ('deny' as const);
      await expect(db.requests.answer(winner, { request_id, verdict })).resolves.toMatchObject({ request_id });
      expect((await db.principalOf(token)).share.role).toBe(isApproved ? 'full' : 'reader');
      const told = (await typesOf(share.project_id)).filter((type) => type.startsWith('role.'));
      expect(told).toEqual(['role.requested', 'role.answered']);
    }
  });

  it('Q21: nobody gives more than they have', async () => {
    const share = await db.aShare();
    const full = await db.joined((await db.aShare({ project_id: share.project_id, role: 'full' })).token);
    const asker = await db.joined(share.token);
    const { request_id } = await db.requests.request(asker.me, { participant_id: asker.participant_id, role: 'full' });

    const viewing = db.aKey(share.project_id, 'VIEW_SESSIONS', 'EDIT_SESSIONS');
    const answer = { request_id, verdict: 'approve' as const };
    await expect(db.requests.answer(viewing, { ...answer, role: 'full' })).rejects.toEqual(code('role_above_own'));
    // Of a key that may not run, nothing is left to give to a reader.
    await expect(db.requests.answer(viewing, answer)).rejects.toEqual(code('role_already_held'));
    await expect(db.requests.answer(asker.me, answer)).rejects.toEqual(code('permission_denied'));

    const given = await db.requests.answer(full.me, { ...answer, role: 'executor' });
    expect(given).toMatchObject({ status: 'approved', granted_role: 'executor', answered_by_id: full.participant_id });
    expect((await db.principalOf(asker.token)).share.role).toBe('executor');
  });

  it('is not found by whoever cannot reach the session', async () => {
    const share = await db.aShare();
    const { me, participant_id } = await db.joined(share.token);
    const { request_id } = await db.requests.request(me, { participant_id, role: 'full' });
    const elsewhere = await db.aShare({ project_id: share.project_id, session_id: 'other', role: 'full' });
    const stranger = await db.joined(elsewhere.token);
    const answer = db.requests.answer(stranger.me, { request_id, verdict: 'approve' });
    await expect(answer).rejects.toEqual(code('role_request_not_found'));
    await expect(db.requests.withdraw(stranger.me, request_id)).rejects.toEqual(code('role_request_not_found'));
  });

  it('gives no role further than whoever answers reaches', async () => {
    const { project_id } = await db.aShare();
    const root = await db.aTask(project_id, 'top');
    await db.aTask(project_id, 'chat', root);
    const tree = await db.aShare({ project_id, session_id: 'top', scope: 'tree' });
    const asker = await db.joined(tree.token);
    await db.join(asker.token, { session_id: 'chat' });
    const { request_id } = await db.requests.request(asker.me, { participant_id: asker.participant_id, role: 'full' });
    const approve = { request_id, verdict: 'approve' as const };

    const ofChild = await db.joined((await db.aShare({ project_id, role: 'full' })).token);
    await expect(db.requests.answer(ofChild.me, approve)).rejects.toEqual(code('role_beyond_reach'));
    const ofChildTree = await db.joined((await db.aShare({ project_id, role: 'full', scope: 'tree' })).token);
    await expect(db.requests.answer(ofChildTree.me, approve)).rejects.toEqual(code('role_beyond_reach'));
    const ofTop = await db.joined((await db.aShare({ project_id, session_id: 'top', role: 'full' })).token);
    await expect(db.requests.answer(ofTop.me, approve)).rejects.toEqual(code('role_request_not_found'));
    expect((await db.principalOf(asker.token)).share.role).toBe('reader');

    const whole = await db.aShare({ project_id, session_id: 'top', role: 'full', scope: 'tree' });
    await db.requests.answer((await db.joined(whole.token)).me, approve);
    expect((await db.principalOf(asker.token)).share.role).toBe('full');
  });

  it('is answered to the session where its asker is by then, without a word of the one before', async () => {
    const { project_id } = await db.aShare();
    await db.aTask(project_id, 'chat', await db.aTask(project_id, 'above'));
    const tree = await db.aShare({ project_id, session_id: 'above', scope: 'tree' });
    const asker = await db.joined(tree.token);
    const { request_id } = await db.requests.request(asker.me, { participant_id: asker.participant_id, role: 'full' });
    await db.join(asker.token, { session_id: 'chat' });
    await db.requests.answer(editor(project_id), { request_id, verdict: 'approve' });
    const told = await db.events(project_id);
    expect(told.map(({ type }) => type)).toEqual(['participant.joined', 'participant.updated', 'role.answered']);
    expect(JSON.stringify(told)).not.toContain('above');
  });

  it('goes with whoever leaves', async () => {
    const share = await db.aShare();
    const { me, participant_id } = await db.joined(share.token);
    const { request_id } = await db.requests.request(me, { participant_id, role: 'full' });
    await db.service.leave(me, participant_id);
    const late = db.requests.answer(editor(share.project_id), { request_id, verdict: 'approve' });
    await expect(late).rejects.toEqual(code('role_request_settled'));
    expect(await typesOf(share.project_id)).toEqual([
      'participant.joined',
      'role.requested',
      'role.answered',
      'participant.left',
    ]);
  });

  it('what was given goes when the share is lowered, and stays when it is raised to less', async () => {
    const share = await db.aShare();
    const raised = async () => {
      const { me, token, participant_id } = await db.joined(share.token);
      const { request_id } = await db.requests.request(me, { participant_id, role: 'full' });
      await db.requests.answer(editor(share.project_id), { request_id, verdict: 'approve' });
      return { token, participant_id };
    };
    const setRole = (from: 'reader' | 'executor', to: 'reader' | 'executor') =>
      db.unitOfWork.run(async (tx) => {
        await tx.query(`UPDATE shares SET role = $2 WHERE share_id = $1`, [share.share_id, to]);
        await db.ofShare.roleChanged(tx, { ...share, role: from }, to);
      });
    const { participant_id } = await raised();
    const roleNow = async () => (await listed(share)).find((one) => one.participant_id === participant_id)!.role;
    await setRole('reader', 'executor');
    expect(await roleNow()).toBe('full');
    await setRole('executor', 'reader');
    expect(await roleNow()).toBe('reader');
  });
});
