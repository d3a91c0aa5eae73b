import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('process.mjs', import.meta.url));

/** Starts the process that makes the load. */
export function startLoad() {
  const child = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = once(child, 'exit');

  /** Has one work done (see process.mjs); `onMark('start' | 'end')` bounds what it measures. */
  async function run(work, params, onMark = () => undefined) {
    const done = new Promise((resolve, reject) => {
      child.removeAllListeners('message');
      child.on('message', ({ mark, result, error }) => {
        if (mark) {
          onMark(mark);
          child.send({ seen: mark });
        } else if (error) reject(new Error(error));
        else resolve(result);
      });
      void exited.then(([code, signal]) => reject(new Error(`the load ended with ${code ?? signal}`)));
    });
    child.send({ work, params });
    return done;
  }

  return {
    pid: child.pid,
    run,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
