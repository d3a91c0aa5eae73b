import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 30_000;
const isEnd = (type) => /^turn\.(completed|failed|cancelled|lost)$/.test(type);

/** Runs a turn of the scripted agent with a question in it; every viewer must see the same events, to a good end. */
export async function runSession(session_id, client, viewers) {
  await client.sessions.createSession({ session_id, SessionCreate: {} });
  const prompt = '[[say:Before.]] [[ask:Write a file]] [[say:After.]]';
  const { turn_id } = await client.invoke({ session_id, prompt, agent: { name: 'scripted' } });

  const views = viewers.map((viewer) => follow(viewer, session_id));
  const question = await soon('a question', async () => {
    const query = { SessionInteractionQuery: { session_id, status: 'pending' } };
    return (await client.interactions.querySessionInteractions(query)).data[0];
  });
  await client.respond(question.interaction_id, { decision: 'allow' });

  const [first, ...others] = await Promise.all(views);
  for (const other of others) assert.deepEqual(other, first, 'the viewers saw different events');
  assert.equal(first.at(-1).event.type, 'turn.completed', JSON.stringify(first.at(-1)));
  assert.equal(first.at(-1).event.turn_id, turn_id);
  await soon('the whole transcript', async () => {
    const query = { SessionTranscriptQuery: { session_id } };
    const page = await client.transcripts.querySessionTranscripts(query);
    return page.projected_offset === page.tail_offset && page.data.at(-1)?.type === 'turn_end';
  });
}

async function follow(viewer, session_id) {
  const seen = [];
  const signal = AbortSignal.timeout(LIMIT_MS);
  for await (const { event, offset } of viewer.followSession(session_id, { offset: '-1', signal })) {
    seen.push({ event, offset });
    if (isEnd(event.type)) return seen;
  }
  throw new Error(`a viewer of ${session_id} saw no end: ${seen.map(({ event }) => event.type).join(', ')}`);
}

async function soon(what, find) {
  for (const endsAt = Date.now() + LIMIT_MS; Date.now() < endsAt; await sleep(100)) {
    const found = await find();
    if (found) return found;
  }
  throw new Error(`${what} did not come within ${LIMIT_MS / 1000} s`);
}
