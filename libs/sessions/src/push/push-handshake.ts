/** A first frame that is longer, or comes after more than this, is none. */
const MAX_BYTES = 64 * 1024;

/** Of what a service says went wrong; the rest is cut. */
const MAX_MESSAGE = 500;

/**
 * Reads NDJSON (one JSON object a line, empty lines between) up to the first frame. Undefined when that accepts the
 * turn, else what it was instead, as the end of "The service …". Ends the stream in any case.
 */
export async function readHandshake(chunks: AsyncIterable<Buffer>, turn_id: string): Promise<string | undefined> {
  const line = await firstLine(chunks);
  if (line === undefined) return `sent more than ${MAX_BYTES} bytes before the end of a first frame`;
  return line === '' ? 'ended its answer without a frame' : refusalIn(line, turn_id);
}

/** The first line that is not blank; empty when there is none, undefined when it does not end within the limit. */
async function firstLine(chunks: AsyncIterable<Buffer>): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = '';
  // Leaving the loop closes the connection.
  for await (const chunk of chunks) {
    bytes += chunk.length;
    text = (text + decoder.decode(chunk, { stream: true })).trimStart();
    const end = text.indexOf('\n');
    if (end >= 0 && end <= MAX_BYTES) return text.slice(0, end);
    if (bytes > MAX_BYTES) return undefined;
  }
  return text;
}

function refusalIn(line: string, turn_id: string): string | undefined {
  const frame = parse(line);
  if (!frame) return 'sent a first frame that is no JSON object';
  const { type } = frame;
  if (type === 'error') return `refused the turn${reasonIn(frame)}`;
  if (type !== 'accepted') return `sent a first frame of type ${printable(JSON.stringify(type) ?? 'none')}`;
  if (frame['turn_id'] !== undefined && frame['turn_id'] !== turn_id) return 'accepted another turn than it was sent';
  return undefined;
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function reasonIn({ code, message }: Record<string, unknown>): string {
  const parts = [code, message].filter((part) => typeof part === 'string' && part !== '');
  return parts.length ? `: ${printable(parts.join(': ')).replace(/\.$/, '')}` : '';
}

/** What a stranger wrote, for people to read in one line. */
const printable = (text: string) => text.replace(/\p{Cc}+/gu, ' ').slice(0, MAX_MESSAGE);
