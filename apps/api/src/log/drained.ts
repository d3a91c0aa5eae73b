import type { Writable } from 'node:stream';

/** Resolves when what waits was taken, with false when that takes longer than `milliseconds` or the other side is gone. */
export function drained(stream: Pick<Writable, 'destroyed' | 'once' | 'off'>, milliseconds: number): Promise<boolean> {
  if (stream.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const settle = (isDrained: boolean) => {
      clearTimeout(timer);
      stream.off('drain', onDrain);
      stream.off('close', onClose);
      resolve(isDrained);
    };
    const onDrain = () => settle(true);
    const onClose = () => settle(false);
    const timer = setTimeout(onClose, milliseconds);
    stream.once('drain', onDrain);
    stream.once('close', onClose);
  });
}
