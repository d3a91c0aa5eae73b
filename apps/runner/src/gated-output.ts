import { setImmediate as nextLoopTurn } from 'node:timers/promises';
import type { AgentProcess } from './agent-process.js';
import type { AgentClient } from './driven-agent.js';

/** How long output may still come from somebody who holds the stdout of an agent that is gone. */
const lateOutputMs = 500;

/** An agent's stdout, read only while there is room for what it says. */
export function gatedOutput(
  { stdout, exited }: Pick<AgentProcess, 'stdout' | 'exited'>,
  client: Pick<AgentClient, 'room' | 'onOutput'>,
): ReadableStream<Uint8Array> {
  const chunks = stdout[Symbol.asyncIterator]();
  let isReading = false;
  let isGone = false;
  let late: NodeJS.Timeout | undefined;
  const limitLateOutput = () => {
    if (isGone && isReading) late = setTimeout(() => stdout.destroy(), lateOutputMs);
  };
  void exited.then(() => {
    isGone = true;
    limitLateOutput();
  });
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        // One turn of the event loop, in which the messages of the chunk before reach `onUpdate` and are counted.
        await nextLoopTurn();
        await client.room();
        isReading = true;
        limitLateOutput();
        const { done, value } = await chunks.next().catch(() => ({ done: true, value: undefined }));
        isReading = false;
        clearTimeout(late);
        if (done) return controller.close();
        client.onOutput((value as Uint8Array).byteLength);
        controller.enqueue(value as Uint8Array);
      },
    },
    { highWaterMark: 0 },
  );
}
