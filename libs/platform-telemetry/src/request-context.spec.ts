import { annotateContext, currentContext, currentTraceparent, runInContext } from './request-context.js';

const context = (request_id: string) => ({ request_id, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00` });

describe('the request context', () => {
  it('is there in everything that the work awaits, and nowhere else', async () => {
    const seen = await runInContext(context('one'), async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return [currentContext()?.request_id, currentTraceparent()];
    });
    expect(seen).toEqual(['one', context('one').traceparent]);
    expect(currentContext()).toBeUndefined();
    expect(currentTraceparent()).toBeNull();
  });

  it('does not mix two requests at work at the same time', async () => {
    const work = async (id: string) => {
      annotateContext({ session_id: `session-${id}` });
      await new Promise((resolve) => setImmediate(resolve));
      return currentContext();
    };
    const [one, two] = await Promise.all(['one', 'two'].map((id) => runInContext(context(id), () => work(id))));
    expect(one).toEqual({ ...context('one'), session_id: 'session-one' });
    expect(two).toEqual({ ...context('two'), session_id: 'session-two' });
  });

  it('takes no notes outside of a request', () => {
    expect(() => annotateContext({ session_id: 'lost' })).not.toThrow();
    expect(currentContext()).toBeUndefined();
  });
});
