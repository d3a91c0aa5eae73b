import { StreamPathInvalid } from '@holdfast/durable-streams';

export const STREAM_ROOT = '/v1/stream/';

const MAX_PATH_BYTES = 400;
/** Bytes of UTF-8 for one of UTF-16. */
const LONGEST_CHARACTER = 3;

/** Reserved by the protocol (section 6), however it is percent-encoded. */
const CONTROL_SEGMENT = '__ds';

/** Empty, `.` or `..`. */
const UNNAMED_SEGMENT = /(^|\/)\.{0,2}(\/|$)/;

const CONTROL = /[\u0000-\u001f\u007f]/;

/** The stream that a URL names. Errors: stream_path_invalid. */
export function streamPathOf(urlPath: string): string {
  return checkedPath(decode(urlPath.slice(STREAM_ROOT.length)));
}

/** For routing: as it is where it cannot be decoded, which `streamPathOf` refuses. */
export function decodedPathOf(urlPath: string): string {
  const encoded = urlPath.slice(STREAM_ROOT.length);
  return tryToDecode(encoded) ?? encoded;
}

function decode(encoded: string): string {
  const decoded = tryToDecode(encoded);
  if (decoded === undefined) throw StreamPathInvalid({ reason: 'The path of a stream is percent-encoded UTF-8.' });
  return decoded;
}

function tryToDecode(encoded: string): string | undefined {
  if (!encoded.includes('%')) return encoded;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

/** Of a decoded path, relative to the root. Errors: stream_path_invalid. */
export function checkedPath(path: string): string {
  if (path.length * LONGEST_CHARACTER > MAX_PATH_BYTES && Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw StreamPathInvalid({ reason: `The path of a stream has at most ${MAX_PATH_BYTES} bytes.` });
  }
  if (CONTROL.test(path) || UNNAMED_SEGMENT.test(path)) {
    throw StreamPathInvalid({
      reason: 'The path of a stream has segments, none of them empty, "." or "..", and no control characters.',
    });
  }
  if (path.startsWith(CONTROL_SEGMENT) && path.split('/', 1)[0] === CONTROL_SEGMENT) {
    throw StreamPathInvalid({ reason: `"${CONTROL_SEGMENT}" is where streams are operated on, and no stream.` });
  }
  return path;
}

/**
 * The stream that the header `Stream-Forked-From` names: the path component of its URL, with whatever prefix the api is
 * served under. Errors: stream_path_invalid.
 */
export function sourcePathOf(header: string): string {
  const at = header.indexOf(STREAM_ROOT);
  if (at >= 0) return streamPathOf(header.slice(at));
  throw StreamPathInvalid({ reason: `Stream-Forked-From is the path of a stream's URL: "${STREAM_ROOT}…".` });
}
