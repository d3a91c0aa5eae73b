import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { SessionTaskAgentStart, SessionTaskCreate, SessionTaskEdit } from '../src/index.js';

type Body = { name?: string; title?: string; prompt?: string };

describe.each<[string, new () => object, Body]>([
  ['of a task that is made', SessionTaskCreate, {}],
  ['of a task that is changed', SessionTaskEdit, {}],
  ['of an agent that an agent starts', SessionTaskAgentStart, { name: 'a', prompt: 'p' }],
])('a name %s', (_, as, body) => {
  const refused = (more: Body) =>
    validateSync(plainToInstance(as, { ...body, ...more })).map(({ property, constraints }) => [
      property,
      Object.values(constraints!)[0],
    ]);

  it.each(['parent', 'orchestrator', 'Parent', 'ORCHESTRATOR', ' parent\n'])(
    'is not what messages call other tasks, nor is its title, which is shown where it has no name: %j',
    (name) => {
      const why = 'must not be "parent" or "orchestrator": messages name other tasks by these words';
      expect(refused({ name })).toEqual([['name', `name ${why}`]]);
      expect(refused({ title: name })).toEqual([['title', `title ${why}`]]);
    },
  );

  it('may have these words in it', () => {
    expect(refused({ name: 'parent 2', title: 'The orchestrator' })).toEqual([]);
  });
});
