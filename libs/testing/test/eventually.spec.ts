import { eventually } from '../src/eventually.js';

test('gives the first result that does not throw', async () => {
  let calls = 0;
  const result = await eventually(() => {
    calls += 1;
    if (calls < 3) throw new Error('not yet');
    return calls;
  });
  expect(result).toBe(3);
});

test('throws the last error when the time is over', async () => {
  const never = async () => {
    throw new Error('never');
  };
  await expect(eventually(never, { timeout: 30 })).rejects.toThrow('never');
});
