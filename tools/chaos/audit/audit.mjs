import { checks, rollingCheck } from './checks.mjs';
import { questionChecks } from './questions.mjs';

const SHOWN = 5;

/** Holds the facts against what was told: `{ name, findings }` for each check. */
export function audit(facts, ledger, orphans, { isRolling }) {
  const all = [...checks, ...questionChecks, ...(isRolling ? [rollingCheck] : [])];
  return [
    ...all.map(({ name, find }) => ({ name, findings: find(facts, ledger) })),
    { name: 'no agent outlives its turn', findings: orphans },
  ];
}

/** The lines of the report, the last one summed by whoever runs it: N passed, N failed. */
export function auditReport(results) {
  const failed = results.filter(({ findings }) => findings.length);
  return [
    ...results.map(({ name, findings }) => `  ${findings.length ? `${findings.length} ✗` : '0 ✓'}  ${name}`),
    ...failed.flatMap(({ name, findings }) => [
      '',
      `● ${name}`,
      ...findings.slice(0, SHOWN).map((finding) => `    ${finding.slice(0, 2_000)}`),
      ...(findings.length > SHOWN ? [`    … and ${findings.length - SHOWN} more`] : []),
    ]),
    '',
    `${results.length - failed.length} passed, ${failed.length} failed`,
  ].join('\n');
}
