import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_EVERY_MS = 400;
const THINK_MS = 3_000;
/** The most that the api lists at once. */
const PAGE = 200;

/**
 * Answers what agents ask, each question at a moment of its own, until `leave`; at times two people answer the same one at
 * once, each in their own way. What nobody said is asked again.
 */
export function startAnswering({ caller, ledger, dice, signal }) {
  const leaving = new AbortController();
  const isOver = () => leaving.signal.aborted || signal.aborted;
  const known = new Set();

  async function answer({ interaction_id, session_id }, decision) {
    const said = await caller.post(`/v1/sessions/interactions/${interaction_id}/respond`, { decision });
    ledger.answers.push({ command: 'answer', interaction_id, session_id, decision, answer: said });
    if (!said) known.delete(interaction_id);
  }

  async function consider(question) {
    await sleep(dice.between(0, THINK_MS), undefined, { signal: leaving.signal }).catch(() => undefined);
    if (isOver()) return;
    const decision = dice.oneOf(['allow', 'allow', 'deny']);
    const others = dice.between(0, 3) ? [] : [dice.oneOf(['allow', 'deny'])];
    await Promise.all([decision, ...others].map((one) => answer(question, one)));
  }

  async function run() {
    while (!isOver()) {
      const page = await caller.post('/v1/sessions/interactions/query', { status: 'pending', limit: PAGE });
      for (const question of page?.body.data ?? []) {
        if (known.has(question.interaction_id)) continue;
        known.add(question.interaction_id);
        void consider(question);
      }
      await sleep(LOOK_EVERY_MS, undefined, { signal: leaving.signal }).catch(() => undefined);
    }
  }

  void run();
  return { leave: () => leaving.abort() };
}
