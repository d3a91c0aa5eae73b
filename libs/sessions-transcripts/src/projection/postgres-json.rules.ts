const REPLACEMENT = '\ufffd';

/**
 * JSON text for a jsonb column. PostgreSQL refuses NUL and halves of surrogate pairs, which agents do print, and one
 * such character must not hold up a whole transcript. JSON.stringify writes exactly these as `\u0000` and `\ud8xx` to
 * `\udfxx`; the last alternative takes every other escape whole, so that `\\u0000` stays what it is.
 */
export function toJsonb(value: object): string {
  return JSON.stringify(value).replace(/\\(u0000|ud[89a-f][0-9a-f]{2}|.)/g, (escape, body: string) =>
    /^u(0000|d)/.test(body) ? REPLACEMENT : escape,
  );
}
