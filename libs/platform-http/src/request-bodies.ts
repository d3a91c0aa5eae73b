import type { IncomingMessage } from 'node:http';
import { BodyTooLarge, TooManyBodies } from './http.errors.js';

/** The largest body that `readBody` takes where it is not told otherwise. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** What this process holds of bodies that are still arriving, so that slow senders cannot fill its memory. */
const MAX_ARRIVING_BYTES = 256 * 1024 * 1024;
let arriving = 0;

/** The whole body. Errors: body_too_large (over the limit, 16 MiB where none is given), too_many_bodies (over 256 MiB under way, of all requests). */
export function readBody(raw: IncomingMessage, limitBytes = MAX_BODY_BYTES): Promise<Buffer> {
  const tooLarge = () => BodyTooLarge({ limit_bytes: limitBytes });
  if (Number(raw.headers['content-length']) > limitBytes) return Promise.reject(tooLarge());
  // Nothing more will happen to it.
  if (raw.destroyed) return Promise.reject(callerWentAway());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      arriving += chunk.length;
      chunks.push(chunk);
      if (bytes > limitBytes) settle(() => reject(tooLarge()));
      else if (arriving > MAX_ARRIVING_BYTES) settle(() => reject(TooManyBodies({ limit_bytes: MAX_ARRIVING_BYTES })));
    };
    const onEnd = () => settle(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    const onClose = () => settle(() => reject(callerWentAway()));
    const settle = (how: () => void) => {
      arriving -= bytes;
      raw.off('data', onData);
      raw.off('end', onEnd);
      raw.off('close', onClose);
      how();
    };
    raw.on('data', onData);
    raw.on('end', onEnd);
    raw.on('close', onClose);
  });
}

const callerWentAway = () => new Error('the caller went away');
