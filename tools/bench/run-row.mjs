import { setTimeout as sleep } from 'node:timers/promises';

const SETTLE_MS = 250;
const FIRST_WARM_UP_SECONDS = 1.5;
const WARM_UP_SECONDS = 0.5;

/**
 * Measures one row: every contender started anew and prepared, then round by round, one contender after the other, so
 * that a change of the machine's speed meets all alike. Resolves to `{ round, contender, variant, metrics }` for each
 * measurement.
 */
export async function runRow({ row, contenders, bench, rounds, seconds, signal, say }) {
  const taking = contenders.filter(({ name }) => row.contenders.includes(name));
  const states = new Map();
  for (const contender of taking) {
    say(`${row.name}: preparing ${contender.name}`);
    await bench.restart(contender);
    states.set(contender, await row.prepare?.({ contender, bench }));
    signal.throwIfAborted();
  }

  const samples = [];
  for (let round = 0; round < rounds; round += 1) {
    const times = { seconds, warmUpSeconds: round === 0 ? FIRST_WARM_UP_SECONDS : WARM_UP_SECONDS };
    for (const variant of inTurn(row.variants ?? [undefined], round)) {
      for (const contender of taking) {
        const which = [contender.name, variant?.label].filter(Boolean).join(', ');
        say(`${row.name}: round ${round + 1} of ${rounds}, ${which}`);
        await sleep(SETTLE_MS);
        const metrics = await row.measure({ contender, state: states.get(contender), variant, bench, times });
        samples.push({ round, contender: contender.name, variant: variant?.label, metrics });
        signal.throwIfAborted();
      }
    }
  }
  return samples;
}

/** Up and down by turns: code gets faster while it runs, and must not do so in favour of the last one. */
function inTurn(variants, round) {
  return round % 2 === 0 ? variants : variants.toReversed();
}
