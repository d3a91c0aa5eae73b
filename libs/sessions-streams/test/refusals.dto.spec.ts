import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { SessionRunnerRegister, SessionStreamInvoke, SessionStreamQuery } from '../src/index.js';

const told = (errors: ValidationError[]): string[] =>
  errors.flatMap(({ constraints, children }) => [...Object.values(constraints ?? {}), ...told(children ?? [])]);

it.each<[string, new () => object, object, string[]]>([
  [
    'an agent that is a name',
    SessionStreamInvoke,
    { session_id: 's', prompt: 'x', agent: 'scripted' },
    ['agent must be an object with the name of an agent'],
  ],
  [
    'an agent that is a list',
    SessionStreamInvoke,
    { session_id: 's', prompt: 'x', agent: ['scripted'] },
    ['agent must be an object with the name of an agent'],
  ],
  [
    'an agent that is a list of agents',
    SessionStreamInvoke,
    { session_id: 's', prompt: 'x', agent: [{ name: 'scripted' }] },
    ['agent must be an object with the name of an agent'],
  ],
  [
    'a turn to cancel beside a prompt',
    SessionStreamInvoke,
    { session_id: 's', prompt: 'x', turn_id: '01900000-0000-7000-8000-000000000000' },
    ['turn_id is for cancel only; this is send'],
  ],
  [
    'the name of an agent that is none',
    SessionStreamInvoke,
    { session_id: 's', prompt: 'x', agent: { name: 'A b' } },
    ['name must be the name of an agent'],
  ],
  ['a prompt of blanks', SessionStreamInvoke, { session_id: 's', prompt: ' \n\t ' }, ['prompt must say something']],
  ['no prompt at all', SessionStreamInvoke, { session_id: 's', prompt: '' }, ['prompt must say something']],
  [
    'a status that is no list',
    SessionStreamQuery,
    { status: 'running' },
    ['status must be a list of at most 5 statuses'],
  ],
  [
    'sessions that are no list',
    SessionStreamQuery,
    { session_ids: 's' },
    ['session_ids must be a list of at most 200 session ids'],
  ],
  [
    'a label without a value',
    SessionRunnerRegister,
    { replica_id: '01900000-0000-7000-8000-000000000000', pools: ['default'], labels: ['linux'] },
    ['each of labels must be key=value, for example os=linux, the key in lower case'],
  ],
])('%s is refused in words that say what to send', (_, as, body, messages) => {
  expect([...new Set(told(validateSync(plainToInstance(as, body))))]).toEqual(messages);
});
