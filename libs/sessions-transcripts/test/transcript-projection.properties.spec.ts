import fc from 'fast-check';
import type { NewRecord } from '../src/projection/new-record.rules.js';
import { project, startOfLog, type Projection } from '../src/projection/transcript-projection.rules.js';
import { event, logOf, OTHER_TURN, TURN, update } from './session-events.js';

const turn = fc.constantFrom(TURN, OTHER_TURN, null);
const id = fc.constantFrom('a', 'b', 'c');
// Halves of surrogate pairs among them: agents cut text anywhere.
const text = fc.string({ unit: fc.constantFrom('x', ' ', '\n', '\0', '\\', '\ud83d', '\ude00', 'é'), maxLength: 6 });
const chunk = fc.record({ content: fc.oneof(fc.record({ type: fc.constant('text'), text }), fc.jsonValue()) });
const status = fc.constantFrom('pending', 'in_progress', 'completed', 'failed', null);
const tool = fc.record(
  { toolCallId: id, status, title: text, rawOutput: fc.jsonValue() },
  { requiredKeys: ['toolCallId'] },
);

const updates = fc
  .oneof(
    fc.tuple(fc.constantFrom('agent_message_chunk', 'agent_thought_chunk', 'user_message_chunk'), chunk),
    fc.tuple(fc.constantFrom('tool_call', 'tool_call_update'), tool),
    fc.tuple(fc.constant('plan'), fc.record({ entries: fc.array(fc.record({ content: text }), { maxLength: 2 }) })),
    fc.tuple(fc.constant('usage_update'), fc.record({ used: fc.nat(), size: fc.nat() })),
    fc.tuple(fc.constant('session_info_update'), fc.record({ title: text })),
  )
  .chain(([kind, data]) => turn.map((turn_id) => update(kind, data, turn_id)));

const facts = fc
  .oneof(
    fc.tuple(fc.constantFrom('turn.queued'), fc.record({ prompt: text })),
    fc.tuple(fc.constantFrom('turn.starting', 'turn.completed', 'turn.lost'), fc.record({ usage: fc.jsonValue() })),
    fc.tuple(
      fc.constantFrom('requested', 'responded', 'resolved', 'cancelled').map((verb) => `interaction.${verb}`),
      fc.record({ interaction_id: id, request: fc.jsonValue(), verdict: fc.jsonValue() }),
    ),
  )
  .chain(([type, data]) => turn.map((turn_id) => event(type, data, turn_id)));

const log = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: updates },
      { weight: 2, arbitrary: facts },
      { weight: 1, arbitrary: fc.jsonValue() },
    ),
    {
      maxLength: 40,
    },
  )
  // What a log holds has been JSON.
  .map((events) => JSON.parse(JSON.stringify(events)) as unknown[])
  .map((events) => logOf(...events));

/** As another process would find the state: it is stored as JSON. */
const stored = (state: Projection): Projection => JSON.parse(JSON.stringify(state)) as Projection;

describe('projecting any log', () => {
  it('gives the same records and the same rest wherever it is cut into batches', () => {
    fc.assert(
      fc.property(log, fc.infiniteStream(fc.integer({ min: 1, max: 7 })), (events, sizes) => {
        const whole = project(startOfLog(), events);

        const records: NewRecord[] = [];
        let state = startOfLog();
        for (let rest = events; rest.length > 0;) {
          const size = sizes.next().value;
          const step = project(stored(state), rest.slice(0, size));
          records.push(...step.records);
          state = step.state;
          rest = rest.slice(size);
        }

        expect(records).toEqual(whole.records);
        expect(stored(state)).toEqual(stored(whole.state));
      }),
      { numRuns: 500 },
    );
  });

  it('changes nothing when a batch is projected again', () => {
    fc.assert(
      fc.property(log, (events) => {
        const { state } = project(startOfLog(), events);
        expect(project(state, events)).toEqual({ records: [], state });
      }),
    );
  });

  it('leaves the state it was given alone', () => {
    fc.assert(
      fc.property(log, log, (first, second) => {
        const { state } = project(startOfLog(), first);
        const before = structuredClone(state);
        const later = second.map((each) => ({ ...each, position: each.position + state.position }));
        project(state, later);
        expect(state).toEqual(before);
      }),
    );
  });

  it('names every record by an event of its own', () => {
    fc.assert(
      fc.property(log, (events) => {
        const positions = project(startOfLog(), events).records.map(({ position }) => position);
        expect(new Set(positions).size).toBe(positions.length);
      }),
    );
  });

  it('keeps every character that the agent said, once and in order, unless a whole message is blank', () => {
    const said = fc.array(fc.tuple(fc.constantFrom('agent_message_chunk', 'agent_thought_chunk', 'tool_call'), text));
    fc.assert(
      fc.property(said, (steps) => {
        const events = steps.map(([kind, each]) =>
          update(kind, kind === 'tool_call' ? { toolCallId: each } : { content: { type: 'text', text: `.${each}` } }),
        );
        const { records } = project(startOfLog(), logOf(...events, event('turn.completed')));
        const kept = [...records]
          .sort((a, b) => a.position - b.position)
          .flatMap(({ content }) => (content.blocks ?? []) as { text: string }[]);
        const spoken = steps.filter(([kind]) => kind !== 'tool_call');
        expect(kept.map((block) => block.text).join('')).toBe(spoken.map(([, each]) => `.${each}`).join(''));
      }),
    );
  });
});
