// Preloaded into the api when it is profiled: samples its processor time between two messages of its parent.
import { Session } from 'node:inspector/promises';

const SAMPLE_MICROSECONDS = 200;
const session = new Session();
session.connect();

process.on('message', async ({ profile }) => {
  if (profile === 'start') {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROSECONDS });
    await session.post('Profiler.start');
    process.send({ profile });
  } else if (profile === 'end') {
    process.send(await session.post('Profiler.stop'));
  }
});
process.channel?.unref();
