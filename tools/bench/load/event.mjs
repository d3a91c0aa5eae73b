/** Bytes of one event as JSON. */
export const EVENT_BYTES = 256;

const NUMBER_DIGITS = 12;
const PREFIX = '{"type":"agent.update","n":"';
const MARK = '"n":"';
const SUFFIX = '","text":"';
const END = '"}';
const TEXT = 'x'.repeat(EVENT_BYTES - PREFIX.length - NUMBER_DIGITS - SUFFIX.length - END.length);

/** Event number `n` of a stream: 256 bytes of JSON, whatever the number. */
export function eventJson(n) {
  return PREFIX + String(n).padStart(NUMBER_DIGITS, '0') + SUFFIX + TEXT + END;
}

/** Events `from` to `from + count - 1` as one JSON array. */
export function eventsJson(from, count) {
  return `[${Array.from({ length: count }, (_, index) => eventJson(from + index)).join(',')}]`;
}

/** Calls back with the number of each event in a piece of text, in order. */
export function eachEventNumber(text, callback) {
  for (let at = text.indexOf(MARK); at !== -1; at = text.indexOf(MARK, at)) {
    at += MARK.length;
    callback(Number(text.slice(at, at + NUMBER_DIGITS)));
  }
}
