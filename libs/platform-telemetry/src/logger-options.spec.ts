import { pino } from 'pino';
import { loggerOptions } from './logger-options.js';
import { annotateContext, runInContext } from './request-context.js';

const TRACE_ID = 'a'.repeat(32);
const context = { request_id: 'request-1', traceparent: `00-${TRACE_ID}-${'b'.repeat(16)}-00` };

function loggerInto(lines: Record<string, unknown>[]) {
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  return pino(loggerOptions({ app: 'api', logLevel: 'info', pretty: false }), { write });
}

describe('a log line', () => {
  it('is not written for what Nest tells of its own start, unless it is a warning', () => {
    const lines: Record<string, unknown>[] = [];
    const logger = loggerInto(lines);
    logger.info({ context: 'RouterExplorer' }, 'Mapped {/v1, GET} route');
    logger.warn({ context: 'RouterExplorer' }, 'something is odd');
    logger.info({ context: 'Signals' }, 'back');
    expect(lines.map(({ msg }) => msg)).toEqual(['something is odd', 'back']);
  });

  it('is JSON with the app, the level by name and an ISO time', () => {
    const lines: Record<string, unknown>[] = [];
    loggerInto(lines).info({ event: 'test.happened' });
    expect(lines).toEqual([{ level: 'info', time: expect.any(String), app: 'api', event: 'test.happened' }]);
    expect(new Date(lines[0]!.time as string).toISOString()).toBe(lines[0]!.time);
  });

  it('carries the ids of its request, also those learned on the way', () => {
    const lines: Record<string, unknown>[] = [];
    const logger = loggerInto(lines);
    runInContext({ ...context }, () => {
      annotateContext({ session_id: 's1', turn_id: 't1' });
      logger.info({ event: 'inside' });
    });
    logger.info({ event: 'outside' });
    expect(lines[0]).toMatchObject({ request_id: 'request-1', trace_id: TRACE_ID, session_id: 's1', turn_id: 't1' });
    expect(Object.keys(lines[1]!)).toEqual(['level', 'time', 'app', 'event']);
  });

  it.each([
    ['headers', { headers: { authorization: 'Bearer secret', cookie: 'secret' } }],
    ['a request', { req: { headers: { authorization: 'Bearer secret' } } }],
    [
      'an error with its request',
      { err: Object.assign(new Error('x'), { config: { headers: { authorization: 'secret' } } }) },
    ],
    ['the bare field', { authorization: 'Bearer secret' }],
  ])('never shows a credential out of %s', (_, fields) => {
    const lines: Record<string, unknown>[] = [];
    loggerInto(lines).info(fields);
    expect(JSON.stringify(lines)).toContain('[redacted]');
    expect(JSON.stringify(lines)).not.toContain('secret');
  });
});
