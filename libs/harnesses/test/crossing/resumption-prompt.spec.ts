import fc from 'fast-check';
import { resumptionPrompt, type CrossingRecord } from '../../src/index.js';
import { agent, anyRecords, recordsOf, tool, user } from './crossing-records.js';

const told = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const MUCH = { maxBytes: 1024 * 1024 };
const count = (records: CrossingRecord[]) => told(resumptionPrompt(records, MUCH).text).length;

describe('a resumption prompt', () => {
  it('X8: tells the whole conversation in order where it fits', () => {
    const call = { kind: 'execute', rawInput: { command: 'ls' }, rawOutput: 'a' };
    const records = recordsOf([user('go'), agent('yes'), tool(call), ['thought', {}], user('and on')]);
    const { text, omitted } = resumptionPrompt(records, MUCH);
    expect(told(text)).toEqual(
      [{ user: 'go' }, { agent: 'yes' }, { tool: 'tool', input: 'ls', result: 'a' }, { user: 'and on' }].map((item) =>
        'tool' in item ? { ...item, tool: 'execute' } : item,
      ),
    );
    expect(text).toMatch(/^Another agent[^]*next message of the user\.\n$/);
    expect(omitted).toMatchObject([{ type: 'thought' }]);
  });

  it('X8: keeps the newest where it does not, without a gap, and lists the rest in order', () => {
    const records = recordsOf(Array.from({ length: 100 }, (_, n) => user(`message ${n} ${'x'.repeat(100)}`)));
    const { text, omitted } = resumptionPrompt(records, { maxBytes: 4096 });
    const kept = told(text).map((item) => Number(/\d+/.exec(item['user'] as string)![0]));
    expect(kept.length).toBeGreaterThan(20);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, n) => 100 - kept.length + n));
    expect(omitted.map(({ record_id }) => record_id)).toEqual(
      records.slice(0, 100 - kept.length).map(({ record_id }) => record_id),
    );
    expect(text).toContain('oldest part was left out');
  });

  it('X8: what would still fit is left out when something newer was', () => {
    const large = (word: string) => user(`${word} ${'x'.repeat(700)}`);
    const records = recordsOf([user('tiny'), ...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(large)]);
    const { text, omitted } = resumptionPrompt(records, { maxBytes: 4096 });
    expect(told(text).map(({ user: said }) => String(said)[0])).toEqual(['c', 'd', 'e', 'f', 'g']);
    expect(omitted.map(({ record_id }) => record_id)).toEqual(records.slice(0, 3).map(({ record_id }) => record_id));
  });

  it('X8: a text that grows when it is escaped still has its share', () => {
    const records = recordsOf([user('\u0001'.repeat(10_000))]);
    const { text } = resumptionPrompt(records, { maxBytes: 2048 });
    expect(told(text)).toEqual([{ user: expect.stringMatching(/left out/) }]);
  });

  it('X8: a text that would push all others out loses its middle', () => {
    const records = recordsOf([user('what is in it?'), tool({ rawOutput: `first ${'x'.repeat(50_000)} last` })]);
    const { text, omitted } = resumptionPrompt(records, { maxBytes: 8192 });
    expect(told(text)).toEqual([
      { user: 'what is in it?' },
      { tool: 'tool', input: {}, result: expect.stringMatching(/^first x+\n\[… left out …\]\nx+ last$/) },
    ]);
    expect(omitted).toMatchObject([{ type: 'tool_call', reason: expect.stringContaining('too long') }]);
  });

  it('X8: whatever the records are, it has at most that many bytes, and no line of a record is taken for another', () => {
    fc.assert(
      fc.property(anyRecords, fc.integer({ min: 2048, max: 20_000 }), (records, maxBytes) => {
        const { text, omitted } = resumptionPrompt(records, { maxBytes });
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxBytes);
        const withoutRoom = omitted.filter(({ reason }) => reason.startsWith('There was no room'));
        expect(told(text).length + withoutRoom.length).toBe(count(records));
      }),
    );
  });

  it('is empty where nothing was said, and refuses to be too small to say anything', () => {
    expect(resumptionPrompt(recordsOf([['turn_end', {}]]), MUCH)).toEqual({ text: '', omitted: [] });
    expect(() => resumptionPrompt([], { maxBytes: 2047 })).toThrow(RangeError);
  });
});
