import { continueTrace, traceIdOf } from './trace-parent.js';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN_ID = '00f067aa0ba902b7';
const OURS = /^00-([0-9a-f]{32})-([0-9a-f]{16})-0[0-3]$/;

describe('traceparent', () => {
  it("goes on with the caller's trace and flags under a span id of our own", () => {
    const [, traceId, spanId] = OURS.exec(continueTrace(`00-${TRACE_ID}-${SPAN_ID}-01`))!;
    expect(traceId).toBe(TRACE_ID);
    expect(spanId).not.toBe(SPAN_ID);
    expect(continueTrace(`00-${TRACE_ID}-${SPAN_ID}-01`)).toMatch(/-01$/);
    expect(continueTrace(`00-${TRACE_ID}-${SPAN_ID}-00`)).toMatch(/-00$/);
  });

  it('reads a future version, and answers in ours', () => {
    const ours = continueTrace(`cc-${TRACE_ID}-${SPAN_ID}-ff-what-the-future-brings`);
    expect(ours).toMatch(OURS);
    expect(traceIdOf(ours)).toBe(TRACE_ID);
  });

  it.each([
    ['absent', undefined],
    ['empty', ''],
    ['not one', 'hello'],
    ['sent twice', `00-${TRACE_ID}-${SPAN_ID}-01, 00-${TRACE_ID}-${SPAN_ID}-01`],
    ['of the forbidden version', `ff-${TRACE_ID}-${SPAN_ID}-01`],
    ['of an all-zero trace', `00-${'0'.repeat(32)}-${SPAN_ID}-01`],
    ['in upper case', `00-${TRACE_ID.toUpperCase()}-${SPAN_ID}-01`],
    ['longer than version 00', `00-${TRACE_ID}-${SPAN_ID}-01-extra`],
  ])('begins a trace of our own when the header is %s', (_, header) => {
    const first = continueTrace(header);
    expect(first).toMatch(OURS);
    expect(traceIdOf(first)).not.toBe(TRACE_ID);
    expect(traceIdOf(continueTrace(header))).not.toBe(traceIdOf(first));
  });
});
