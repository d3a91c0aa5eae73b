import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { restartLimit } from './restart-limit.mjs';
import { printLines } from './terminal.mjs';

/** Runs the embedded PostgreSQL, and starts it again at the same address when it dies. */
export async function supervisePostgres({ home, onGiveUp }) {
  const { startPostgres } = await import('@holdfast/platform-embedded');
  const print = (message) => printLines('postgres', message);
  const nextPause = restartLimit();
  let isStopping = false;
  let server;
  let restart = Promise.resolve();

  async function start(port) {
    server = await startPostgres({ dataDir: join(home, 'postgres'), port, onNotice: print });
    server.onUnexpectedExit(
      (how) => (restart = startAgain(how).catch((error) => onGiveUp(`postgres: ${error.message}`))),
    );
  }

  async function startAgain(how) {
    const pause = nextPause();
    if (pause === undefined) return onGiveUp(`postgres ended three times within a minute, last with ${how}`);
    print(`ended with ${how}; starting it again`);
    await sleep(pause);
    if (!isStopping) await start(server.port);
  }

  await start();
  print(`listening on 127.0.0.1:${server.port}`);
  return {
    url: server.url,
    async stop() {
      isStopping = true;
      await restart;
      await server.stop();
    },
  };
}
