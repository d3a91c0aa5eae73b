import { NameDirectory } from '../../src/sharing/name-directory.js';

/** A directory at an api that knows these, and what it was asked for. */
function directory(known: Record<string, string> = {}) {
  const asked: string[][] = [];
  let isDown = false;
  const names = new NameDirectory(async (task_ids) => {
    asked.push(task_ids);
    if (isDown) throw new Error('no answer');
    return task_ids.flatMap((task_id) => (known[task_id] ? [{ task_id, name: known[task_id] }] : []));
  });
  return { names, asked, setDown: (down: boolean) => (isDown = down) };
}

describe('names of agents', () => {
  it('Q63 an agent that is known has its name, Q67 and "Agent" where it has none', () => {
    const { names } = directory();
    names.learn([
      { task_id: 'a', name: 'Scout' },
      { task_id: 'b', name: '  ' },
      { task_id: 'c', name: null },
    ]);
    expect(['a', 'b', 'c'].map((id) => names.nameOf(id))).toEqual(['Scout', 'Agent', 'Agent']);
  });

  it("Q64 the orchestrator's id is the Orchestrator's; one that is unknown is nobody's", () => {
    const { names } = directory();
    expect(names.nameOf('host')).toBe('Unknown agent');
    names.orchestratedBy('host');
    expect(names.nameOf('host')).toBe('Orchestrator');
    expect(names.nameOf('stranger')).toBe('Unknown agent');
  });

  it('Q66 names of siblings are looked up by themselves, each once', async () => {
    const { names, asked } = directory({ sibling: 'Twin' });
    await names.resolve(['sibling', 'sibling', 'stranger']);
    await names.resolve(['sibling', 'stranger']);
    expect(asked).toEqual([['sibling', 'stranger']]);
    expect([names.nameOf('sibling'), names.nameOf('stranger')]).toEqual(['Twin', 'Unknown agent']);
  });

  it('asks again for what could not be asked, and for no more than 200 at once', async () => {
    const { names, asked, setDown } = directory({ a: 'Scout' });
    setDown(true);
    await names.resolve(['a']);
    setDown(false);
    await names.resolve(['a']);
    expect(names.nameOf('a')).toBe('Scout');
    await names.resolve(Array.from({ length: 250 }, (_, n) => `t${n}`));
    expect(asked.map((ids) => ids.length)).toEqual([1, 1, 200, 50]);
  });
});
