import { ratio } from '../goals.mjs';
import { append32 } from './append.mjs';
import { catchUp } from './catch-up.mjs';
import { fanOut } from './fan-out.mjs';

const CONTENDERS = ['holdfast', 'reference-memory', 'reference-file'];

/**
 * What CI holds: ratios of one run on one machine, far below the goals, so that only a regression and never a busy
 * machine breaks them.
 */
export const guardRows = [
  {
    ...append32,
    contenders: CONTENDERS,
    goals: [
      ratio('ops_per_s', 'reference-memory', { atLeast: 0.1 }),
      ratio('ops_per_s', 'reference-file', { atLeast: 0.7 }),
    ],
  },
  {
    ...catchUp,
    contenders: CONTENDERS.slice(0, 2),
    variants: catchUp.variants.slice(0, 1),
    goals: [ratio('mb_per_s', 'reference-memory', { atLeast: 3, variant: catchUp.variants[0].label })],
  },
  {
    ...fanOut,
    contenders: CONTENDERS.slice(0, 2),
    goals: [ratio('deliveries_per_s', 'reference-memory', { atLeast: 0.7 })],
  },
];
