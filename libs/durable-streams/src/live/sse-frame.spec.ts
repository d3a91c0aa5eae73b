import type { LogHead } from '../log-head.js';
import { sseEncodingOf, sseFrame } from './sse-frame.js';

const head = (content_type: string) => ({ content_type, generation: 3, tail: 2, fork_at: 0 }) as LogHead;
const page = (...parts: (string | Buffer)[]) => ({
  from: 0,
  next: 2,
  parts: parts.map((part) => Buffer.from(part)),
  upToDate: true,
});
const frame = (content_type: string, ...parts: (string | Buffer)[]) =>
  sseFrame(head(content_type), page(...parts), { cursor: '7', closed: false }).bytes.toString();
const control = (text: string) => JSON.parse(/event: control\ndata:(.*)\n\n$/.exec(text)![1]!) as object;
/** What a client of Server-Sent Events makes of the data event. */
const dataOf = (text: string) =>
  text
    .slice(0, text.indexOf('\n\n'))
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length).replace(/^ /, ''))
    .join('\n');

describe('a frame of Server-Sent Events', () => {
  it('holds JSON messages as an array on one line, and then where to go on', () => {
    const text = frame('application/json', '{"a":1}', ',', '2');
    expect(text).toMatch(/^event: data\ndata:\[\{"a":1\},2\]\n\nevent: control\n/);
    expect(control(text)).toEqual({
      streamNextOffset: '0000000000000003_0000000000000002',
      streamCursor: '7',
      upToDate: true,
    });
  });

  it.each([
    ['text/plain', 'one'],
    ['text/plain', 'one\ntwo\n'],
    ['text/html', ' begins with a space'],
    ['text/plain', '\n\nevent: control\ndata:{}\n\n'],
  ])('holds the text of %s %j, whatever lines it has', (content_type, text) => {
    expect(dataOf(frame(content_type, text))).toBe(text);
    expect(frame(content_type, text).match(/^event: /gm)).toHaveLength(2);
  });

  it.each(['\r\n', '\r'])('holds line breaks %j of a text, as those of the format are', (lineBreak) => {
    expect(dataOf(frame('text/plain', `a${lineBreak}b`))).toBe('a\nb');
  });

  it('holds all other bytes as base64', () => {
    expect(dataOf(frame('application/octet-stream', Buffer.from([0, 255]), Buffer.from([10])))).toBe('AP8K');
    expect(
      ['application/json', 'TEXT/csv', 'application/xml'].map((content_type) => sseEncodingOf({ content_type })),
    ).toEqual(['json', 'text', 'base64']);
  });

  it('without messages is only where to go on', () => {
    expect(frame('application/json')).toMatch(/^event: control\n/);
  });

  it('says that the log is closed only with its last message, and then needs no cursor', () => {
    const last = sseFrame(head('application/json'), page('1'), { cursor: '7', closed: true }).bytes.toString();
    expect(control(last)).toEqual({
      streamNextOffset: '0000000000000003_0000000000000002',
      upToDate: true,
      streamClosed: true,
    });
    const before = { ...page('1'), upToDate: false };
    const earlier = sseFrame(head('application/json'), before, { cursor: '7', closed: true }).bytes.toString();
    expect(control(earlier)).toEqual({ streamNextOffset: '0000000000000003_0000000000000002', streamCursor: '7' });
  });

  it('is one chunk of HTTP as well', () => {
    const made = sseFrame(head('application/json'), page('"ä"'), { cursor: '7', closed: false });
    expect(made.chunked.toString()).toBe(`${made.bytes.length.toString(16)}\r\n${made.bytes.toString()}\r\n`);
  });
});
