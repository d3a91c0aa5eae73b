import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { SessionInteractionRaise } from '../src/dto/session-interaction-raise.dto.js';
import { SessionInteractionRespond } from '../src/dto/session-interaction-respond.dto.js';
import { aQuestion } from './interaction-database.js';

/** Paths of the fields that are refused. */
function faults(body: object, as: new () => object = SessionInteractionRaise): string[] {
  const paths = (errors: ValidationError[], parent: string): string[] =>
    errors.flatMap(({ property, constraints, children = [] }) => [
      ...(constraints ? [`${parent}${property}`] : []),
      ...paths(children, `${parent}${property}.`),
    ]);
  return paths(validateSync(plainToInstance(as, body)), '');
}

const turn = { session_id: 'chat', turn_id: '01900000-0000-7000-8000-000000000000', epoch: 1 };
const question = aQuestion('call-1');
const option = question.request.options[0]!;

const raise = (change: object) => ({ ...turn, ...question, ...change });
const request = (change: object) => raise({ request: { ...question.request, ...change } });

it('accepts a question', () => {
  expect(faults(raise({}))).toEqual([]);
});

it.each<[string, object, string]>([
  ['a session id with a dot', raise({ session_id: 'a.b' }), 'session_id'],
  ['a turn that is no uuid', raise({ turn_id: 'one' }), 'turn_id'],
  ['epoch 0', raise({ epoch: 0 }), 'epoch'],
  ['an epoch as text', raise({ epoch: '1' }), 'epoch'],
  ['an empty token', raise({ token: '' }), 'token'],
  ['too long a token', raise({ token: 't'.repeat(257) }), 'token'],
  ['another kind', raise({ kind: 'user_input' }), 'kind'],
  ['no request', raise({ request: undefined }), 'request'],
  ['a tool call as text', request({ tool_call: 'rm' }), 'request.tool_call'],
  ['a tool call as a list', request({ tool_call: [] }), 'request.tool_call'],
  ['no options', request({ options: [] }), 'request.options'],
  [
    'too many options',
    request({ options: Array.from({ length: 33 }, (_, i) => ({ ...option, option_id: `${i}` })) }),
    'request.options',
  ],
  ['two options of one id', request({ options: [option, { ...option, kind: 'reject_once' }] }), 'request.options'],
  ['an option of another kind', request({ options: [{ ...option, kind: 'maybe' }] }), 'request.options.0.kind'],
  ['an option without an id', request({ options: [{ ...option, option_id: '' }] }), 'request.options.0.option_id'],
])('refuses %s', (_, body, path) => {
  expect(faults(body)).toEqual([path]);
});

it('takes a tool call as it is, whatever its keys', () => {
  const tool_call = JSON.parse('{"rawInput":{"constructor":"1","toString":"2","nested":[{"constructor":"3"}]}}');
  const body = plainToInstance(SessionInteractionRaise, request({ tool_call }));
  expect(body.request.tool_call).toEqual(tool_call);
});

it.each<[object, string[]]>([
  [{ decision: 'allow' }, []],
  [{ decision: 'deny', message: 'm'.repeat(4000) }, []],
  [{ decision: 'maybe' }, ['decision']],
  [{}, ['decision']],
  [{ decision: 'deny', message: 'm'.repeat(4001) }, ['message']],
  [{ decision: 'deny', message: 7 }, ['message']],
])('judges an answer', (body, expected) => {
  expect(faults(body, SessionInteractionRespond)).toEqual(expected);
});
