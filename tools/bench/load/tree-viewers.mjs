import { setTimeout as sleep } from 'node:timers/promises';
import { Durations } from '../statistics.mjs';
import { AgentTree } from './agent-tree.mjs';
import { AgentVoice } from './agent-voice.mjs';
import { Connection } from './connection.mjs';
import { eachEventNumber } from './event.mjs';
import { call } from './json-call.mjs';
import { WatchViewer } from './watch-viewer.mjs';
import { Window } from './window.mjs';

const SHARES = '/v1/sessions/shares';
const JOIN = '/v1/sessions/participants/join';
const MESSAGES = '/v1/admin/sessions/tasks/messages';
const DRAIN_MS = 10_000;

/**
 * One tree of `agents`, each of which says `rate` events a second, and which write each other `messages` a second in all.
 * By one share of the tree, `whole` viewers follow its activity and every session, and `partial` ones its activity and
 * `sessionsOfPartial` sessions each. A delivery's latency is from when an event was said, which is its way into the socket
 * where nothing said before is unanswered, until a viewer has read it. Every viewer must have read every event of its logs
 * once and in order, and every message once.
 */
export async function treeViewers(params, { mark }) {
  const { server, agents: count, runners, rate, messages, whole, partial, sessionsOfPartial } = params;
  const tree = await AgentTree.grow(server, { agents: count, runners });
  const window = new Window();
  const voices = await Promise.all(tree.agents.map((grant) => AgentVoice.open(tree.as(grant.credential), grant)));
  const letters = await Letters.open(tree);
  const ears = await joinAll({ server, tree, voices, letters, window, whole, partial, sessionsOfPartial });
  await Promise.all(ears.map((ear) => ear.viewer.start()));

  const returnsBefore = ears.map(({ viewer }) => viewer.returns);
  const speaking = speakInTurn(voices, rate, window);
  const writing = letters.write(messages, window);
  await window.pass({ ...params, mark });
  const late = await speaking;
  await writing;
  const isComplete = await reach(ears);
  const returns = ears.reduce((sum, { viewer }, index) => sum + viewer.returns - returnsBefore[index], 0);

  for (const { viewer } of ears) viewer.close();
  for (const voice of voices) {
    await voice.answered();
    voice.close();
  }
  letters.close();
  await tree.end();
  const failure = [...voices, letters, ...ears.map(({ viewer }) => viewer)].find((one) => one.failure)?.failure;
  if (failure) throw new Error(failure);
  const wrong = ears.reduce((sum, ear) => sum + ear.wrong, 0);
  if (wrong) throw new Error(`viewers read ${wrong} events or messages twice, or out of order`);
  if (!isComplete)
    throw new Error(`viewers miss ${ears.reduce((sum, ear) => sum + ear.missing, 0)} events or messages`);
  const took = { events: new Durations(), messages: new Durations() };
  for (const ear of ears) ear.addTo(took);
  return {
    operations: took.events.count,
    deliveries_per_s: took.events.count / window.seconds,
    p50_ms: took.events.percentile(0.5),
    p99_ms: took.events.percentile(0.99),
    message_p50_ms: took.messages.percentile(0.5),
    message_p99_ms: took.messages.percentile(0.99),
    returns,
    lag_ms: late,
  };
}

/** Each viewer has a credential of its own, by the link of one share. */
async function joinAll({ server, tree, voices, letters, window, whole, partial, sessionsOfPartial }) {
  const connection = await Connection.open(server.port);
  const session_id = tree.agents[0].session_id;
  const { token } = await call(connection, server, SHARES, { session_id, scope: 'tree', role: 'reader' });
  const all = tree.agents.map((_, index) => index);
  const some = (index) => all.slice(0, sessionsOfPartial).map((n) => (index * sessionsOfPartial + n) % all.length);
  const wanted = [...Array(whole).fill(all), ...Array.from({ length: partial }, (_, index) => some(index))];
  const ears = [];
  for (const [index, indexes] of wanted.entries()) {
    const name = `viewer ${index + 1}`;
    const joined = await call(connection, tree.as(token), JOIN, { name });
    const heard = new Map(indexes.map((at) => [tree.agents[at].session_id, voices[at]]));
    const viewer = new WatchViewer(tree.as(joined.participant_token), {
      session_ids: [...heard.keys()],
      task_ids: [joined.activity.task_id],
    });
    ears.push(new Ear(viewer, heard, letters, window));
  }
  connection.close();
  return ears;
}

/** One agent after the other says something, so that all of them say `rate` a second. Resolves to how late the latest was. */
async function speakInTurn(voices, rate, window) {
  const interval = 1000 / (rate * voices.length);
  const startedAt = performance.now();
  let late = 0;
  for (let said = 0; !window.isOver; await sleep(1)) {
    for (let dueAt; (dueAt = startedAt + said * interval) <= performance.now(); said += 1) {
      if (window.isOpen) late = Math.max(late, performance.now() - dueAt);
      voices[said % voices.length].say();
    }
  }
  return late;
}

/** Messages from each agent in turn to the next one, numbered. */
class Letters {
  /** When each was sent (performance.now()). */
  sentAt = [];
  failure;
  #tree;
  #connection;
  #answers = [];

  static async open(tree) {
    const letters = new Letters();
    letters.#tree = tree;
    letters.#connection = await Connection.open(tree.as('').port);
    return letters;
  }

  async write(rate, window) {
    for (let dueAt = performance.now(); !window.isOver; dueAt += 1000 / rate) {
      await sleep(Math.max(0, dueAt - performance.now()));
      this.#send();
    }
    await Promise.all(this.#answers);
  }

  #send() {
    const { agents, task_ids } = this.#tree;
    const n = this.sentAt.length;
    const [from, to] = [agents[n % agents.length], agents[(n + 1) % agents.length]];
    const fields = { to: [task_ids.get(to.session_id)], body: String(n).padStart(12, '0') };
    this.sentAt.push(performance.now());
    const answer = call(this.#connection, this.#tree.as(from.credential), MESSAGES, fields);
    this.#answers.push(answer.catch((error) => (this.failure ??= error.message)));
  }

  close() {
    this.#connection.close();
  }
}

const LETTER = /"type":"task.message",.*?"body":"(\d{12})"/g;

/** What one viewer has read. */
class Ear {
  /** Events and messages that came twice, or events before the one before them. */
  wrong = 0;
  #events = new Durations();
  #messages = new Durations();
  /** By session: how many events were read. */
  #read = new Map();
  #letters = new Set();

  constructor(viewer, voices, letters, window) {
    this.viewer = viewer;
    this.voices = voices;
    this.letters = letters;
    this.window = window;
    viewer.onFrame = (kind, id, text) => (kind === 'session' ? this.#hear(id, text) : this.#receive(text));
  }

  #hear(session_id, text) {
    const { saidAt } = this.voices.get(session_id);
    const now = performance.now();
    eachEventNumber(text, (n) => {
      const next = this.#read.get(session_id) ?? 0;
      if (n !== next) this.wrong += 1;
      this.#read.set(session_id, n + 1);
      if (this.window.contains(saidAt[n])) this.#events.add(now - saidAt[n]);
    });
  }

  #receive(text) {
    for (const [, digits] of text.matchAll(LETTER)) {
      const n = Number(digits);
      if (this.#letters.has(n)) this.wrong += 1;
      this.#letters.add(n);
      if (this.window.contains(this.letters.sentAt[n])) this.#messages.add(performance.now() - this.letters.sentAt[n]);
    }
  }

  /** How much of what was said and written it has not read. */
  get missing() {
    let missing = this.letters.sentAt.length - this.#letters.size;
    for (const [session_id, { saidAt }] of this.voices) missing += saidAt.length - (this.#read.get(session_id) ?? 0);
    return missing;
  }

  addTo({ events, messages }) {
    this.#events.addTo(events);
    this.#messages.addTo(messages);
  }
}

/** Resolves to whether everybody has read everything before the time is up. */
async function reach(ears) {
  const deadline = performance.now() + DRAIN_MS;
  const isMissing = () => ears.some((ear) => ear.missing > 0 && !ear.viewer.failure);
  while (isMissing() && performance.now() < deadline) await sleep(20);
  return !isMissing();
}
