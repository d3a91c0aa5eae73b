import { Outlet } from '../../src/sharing/outlet.js';
import { settled } from './manual-clock.js';

describe('an outlet', () => {
  it('lets whoever makes too much wait until it is read', async () => {
    const outlet = new Outlet<number>(3);
    const made: number[] = [];
    const making = (async () => {
      for (let n = 1; n <= 10; n++) {
        await outlet.put(n);
        made.push(n);
      }
      outlet.close();
    })();
    await settled();
    expect(made).toEqual([1, 2]);
    const read: number[] = [];
    for await (const n of outlet.read()) read.push(n);
    await making;
    expect(read).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('gives what was there before it throws, and lets nobody wait after that', async () => {
    const outlet = new Outlet<number>(1);
    const blocked = outlet.put(1);
    outlet.close({ error: new Error('over') });
    await blocked;
    await outlet.put(2);
    const read: number[] = [];
    await expect(
      (async () => {
        for await (const n of outlet.read()) read.push(n);
      })(),
    ).rejects.toThrow('over');
    expect(read).toEqual([1]);
  });
});
