import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { AgentPath, AgentSet } from '../src/dto/agent-set.dto.js';

/** The fields that are refused. */
function faults(body: object, as: new () => object = AgentSet): string[] {
  return validateSync(plainToInstance(as, body)).map(({ property }) => property);
}

const variables = (count: number, bytesEach: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`V${i}`.padEnd(4, '_'), 'x'.repeat(bytesEach - 4)]));

it.each<[object]>([
  [{ harness: 'scripted' }],
  [{ harness: 'acp', command: ['agent', '--stdio', ''] }],
  [{ harness: 'codex', command: ['/opt/codex'], pool: 'gpu-1', model: 'm' }],
  [{ harness: 'push', push_url: 'https://agent.example/start', model: 'm', max_attempts: 10 }],
  [{ harness: 'codex', labels: ['gpu=a100', 'example.com/zone=eu-1'], max_attempts: 1 }],
  [{ harness: 'gemini', drive: 'cli', approvals: 'bypass' }],
  [{ harness: 'acp', command: ['agent'], drive: 'acp', approvals: 'deny' }],
  [{ harness: 'claude', environment: { PATH_2: '', _x: 'é' } }],
  [{ harness: 'claude', environment: variables(64, 512) }],
])('accepts %j', (body) => {
  expect(faults(body)).toEqual([]);
});

it.each<[string, object, string]>([
  ['an unknown harness', { harness: 'vim' }, 'harness'],
  ['no harness', {}, 'harness'],
  ['acp without a command', { harness: 'acp' }, 'command'],
  ['an empty command', { harness: 'codex', command: [] }, 'command'],
  ['a command that is no list', { harness: 'acp', command: 'agent' }, 'command'],
  ['a command with a number', { harness: 'acp', command: ['agent', 1] }, 'command'],
  ['too long a command', { harness: 'acp', command: Array(65).fill('x') }, 'command'],
  ['too long an argument', { harness: 'acp', command: ['x'.repeat(4097)] }, 'command'],
  ['push without a URL', { harness: 'push' }, 'push_url'],
  ['a push URL that is no text', { harness: 'push', push_url: 1 }, 'push_url'],
  ['too long a push URL', { harness: 'push', push_url: `https://a.example/${'a'.repeat(2048)}` }, 'push_url'],
  ['a push URL for a program', { harness: 'codex', push_url: 'https://agent.example/' }, 'push_url'],
  ['a pool for a push target', { harness: 'push', push_url: 'https://agent.example/', pool: 'p' }, 'pool'],
  ['labels for a push target', { harness: 'push', push_url: 'https://agent.example/', labels: ['a=b'] }, 'labels'],
  ['a command for a push target', { harness: 'push', push_url: 'https://agent.example/', command: ['x'] }, 'command'],
  ['a label without a value', { harness: 'codex', labels: ['gpu'] }, 'labels'],
  ['a label that is no text', { harness: 'codex', labels: [1] }, 'labels'],
  ['too many labels', { harness: 'codex', labels: Array.from({ length: 21 }, (_, i) => `l${i}=x`) }, 'labels'],
  ['an unknown drive', { harness: 'codex', drive: 'rpc' }, 'drive'],
  ['the command line of a program without one', { harness: 'acp', command: ['agent'], drive: 'cli' }, 'drive'],
  ['the command line of a service', { harness: 'push', push_url: 'https://agent.example/', drive: 'cli' }, 'drive'],
  ['a command that speaks ACP for the command line', { harness: 'codex', command: ['x'], drive: 'cli' }, 'drive'],
  ['unknown approvals', { harness: 'codex', approvals: 'yes' }, 'approvals'],
  ['no attempts', { harness: 'codex', max_attempts: 0 }, 'max_attempts'],
  ['too many attempts', { harness: 'codex', max_attempts: 11 }, 'max_attempts'],
  ['half an attempt', { harness: 'codex', max_attempts: 1.5 }, 'max_attempts'],
  ['an empty pool', { harness: 'codex', pool: '' }, 'pool'],
  ['a pool in capitals', { harness: 'codex', pool: 'GPU' }, 'pool'],
  ['too long a model', { harness: 'codex', model: 'm'.repeat(201) }, 'model'],
  ['a variable that is no text', { harness: 'codex', environment: { A: 1 } }, 'environment'],
  ['a variable with a bad name', { harness: 'codex', environment: { 'A-B': '1' } }, 'environment'],
  ['variables as a list', { harness: 'codex', environment: ['A=1'] }, 'environment'],
  ['too many variables', { harness: 'codex', environment: variables(65, 8) }, 'environment'],
  ['variables that are too large together', { harness: 'codex', environment: variables(64, 513) }, 'environment'],
  ['variables counted in characters', { harness: 'codex', environment: { A: 'é'.repeat(16_400) } }, 'environment'],
])('refuses %s', (_, body, field) => {
  expect(faults(body)).toEqual([field]);
});

it('keeps a variable of any allowed name', () => {
  const { environment } = plainToInstance(AgentSet, JSON.parse('{"environment":{"constructor":"1","toString":"2"}}'));
  expect(Object.entries(environment ?? {})).toEqual([
    ['constructor', '1'],
    ['toString', '2'],
  ]);
});

it.each([
  ['a', []],
  ['0-agent_x', []],
  ['x'.repeat(64), []],
  ['x'.repeat(65), ['name']],
  ['', ['name']],
  ['-a', ['name']],
  ['A', ['name']],
  ['a b', ['name']],
  ['a\n', ['name']],
])('judges the name %j', (name, expected) => {
  expect(faults({ name }, AgentPath)).toEqual(expected);
});
