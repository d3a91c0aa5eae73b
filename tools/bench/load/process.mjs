// The load, in a process of its own: does one work after the other as its parent asks.
import { append } from './append.mjs';
import { commitGroups, commitRows, readPages } from './bare-postgres.mjs';
import { catchUp } from './catch-up.mjs';
import { claims } from './claims.mjs';
import { fanOut } from './fan-out.mjs';
import { create, fill } from './fill.mjs';
import { heartbeats, ownMany } from './heartbeats.mjs';
import { invokes } from './invokes.mjs';
import { joinStorm } from './join-storm.mjs';
import { captureTranscript, fetchTranscript } from './native-transcript.mjs';
import { resume } from './resume.mjs';
import { plantTree, shareTree } from './share-tree.mjs';
import { treeViewers } from './tree-viewers.mjs';

const works = {
  append,
  captureTranscript,
  catchUp,
  claims,
  commitGroups,
  commitRows,
  create,
  fanOut,
  fetchTranscript,
  fill,
  heartbeats,
  invokes,
  joinStorm,
  ownMany,
  plantTree,
  readPages,
  resume,
  shareTree,
  treeViewers,
};

let markSeen;

process.on('disconnect', () => process.exit());
// Ctrl-C reaches the whole group of the terminal; the parent decides the order of stopping.
process.on('SIGINT', () => undefined);
process.on('message', ({ work, params, seen }) => (seen ? markSeen() : void start(work, params)));

async function start(work, params) {
  try {
    process.send({ result: (await works[work](params, { mark })) ?? null });
  } catch (error) {
    process.send({ error: error.stack });
  }
}

/** Resolves when the parent has looked at the processes: until then none that was measured may end. */
function mark(end) {
  return new Promise((resolve) => {
    markSeen = resolve;
    process.send({ mark: end });
  });
}
