import { append1, append32, append32Idempotent, append32One, append8Batches } from './append.mjs';
import { catchUp, catchUpCold } from './catch-up.mjs';
import { fanOut, viewers } from './fan-out.mjs';
import { joinStorm } from './join-storm.mjs';
import { nativeCapture, nativeFetch } from './native-transcript.mjs';
import { resume } from './resume.mjs';
import { shareTree, treeViewers } from './sharing.mjs';
import { streams } from './streams.mjs';
import { claim, heartbeats, invoke } from './turns.mjs';

/** Everything that is measured, in the order of a whole run. */
export const rows = [
  append32,
  append32One,
  append32Idempotent,
  append1,
  append8Batches,
  fanOut,
  catchUp,
  catchUpCold,
  joinStorm,
  resume,
  streams,
  viewers,
  heartbeats,
  claim,
  invoke,
  nativeCapture,
  nativeFetch,
  treeViewers,
  shareTree,
];
