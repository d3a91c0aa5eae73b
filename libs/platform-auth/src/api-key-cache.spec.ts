import { ApiKeyCache, type StoredKey } from './api-key-cache.js';

const key = (id: string): StoredKey => ({
  hash: Buffer.from(id),
  expires_at: null,
  principal: { project_id: 'p', key_id: id, kind: 'user', permissions: [] },
});

describe('the key cache', () => {
  let now = 0;
  beforeEach(() => {
    now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
  });
  afterEach(() => jest.restoreAllMocks());

  it('looks a key up once per 5 s', async () => {
    const cache = new ApiKeyCache(5_000, 10);
    const load = jest.fn(() => Promise.resolve(key('a')));
    await cache.get('a', load);
    now = 4_999;
    await cache.get('a', load);
    expect(load).toHaveBeenCalledTimes(1);
    now = 5_000;
    await cache.get('a', load);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('shares one lookup between callers that miss at the same moment', async () => {
    const cache = new ApiKeyCache(5_000, 10);
    const load = jest.fn(() => Promise.resolve(key('a')));
    await Promise.all(Array.from({ length: 50 }, () => cache.get('a', load)));
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('remembers neither unknown keys nor failures', async () => {
    const cache = new ApiKeyCache(5_000, 10);
    const load = jest.fn<Promise<StoredKey | undefined>, []>(() => Promise.resolve(undefined));
    await cache.get('made-up', load);
    await cache.get('made-up', load);
    expect(load).toHaveBeenCalledTimes(2);

    await expect(cache.get('a', () => Promise.reject(new Error('database is gone')))).rejects.toThrow('gone');
    await expect(cache.get('a', () => Promise.resolve(key('a')))).resolves.toEqual(key('a'));
  });

  it('forgets the oldest beyond its capacity', async () => {
    const cache = new ApiKeyCache(5_000, 2);
    const load = jest.fn((id: string) => Promise.resolve(key(id)));
    for (const id of ['a', 'b', 'c']) await cache.get(id, () => load(id));
    load.mockClear();
    for (const id of ['b', 'c']) await cache.get(id, () => load(id));
    expect(load).not.toHaveBeenCalled();
    await cache.get('a', () => load('a'));
    expect(load).toHaveBeenCalledTimes(1);
  });
});
