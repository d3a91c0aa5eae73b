import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endpoint, stateFolder, wantsColour } from './config.js';

describe('which api to talk to', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
  const below = join(folder, 'deep', 'down');
  const bare = mkdtempSync(join(tmpdir(), 'holdfast-bare-'));
  beforeAll(() => {
    mkdirSync(below, { recursive: true });
    mkdirSync(join(folder, '.holdfast'));
    writeFileSync(
      join(folder, '.holdfast', 'endpoint.json'),
      JSON.stringify({ url: 'http://file:1', apiKey: 'file-key', runnerKey: 'secret' }),
    );
  });
  afterAll(() => [folder, bare].forEach((path) => rmSync(path, { recursive: true })));
  const environment = { HOLDFAST_URL: 'http://env:2', HOLDFAST_API_KEY: 'env-key' };

  it('is what the options say', () => {
    expect(endpoint({ url: 'http://given:3/', key: 'given' }, below, environment)).toEqual({
      url: 'http://given:3',
      apiKey: 'given',
    });
  });

  it('is else what npm start wrote, here or above', () => {
    expect(endpoint({}, below, environment)).toEqual({ url: 'http://file:1', apiKey: 'file-key' });
    expect(endpoint({ key: 'given' }, folder, {})).toEqual({ url: 'http://file:1', apiKey: 'given' });
  });

  it('is what npm start wrote in HOLDFAST_HOME, where that is set', () => {
    const HOLDFAST_HOME = join(folder, '.holdfast');
    expect(endpoint({}, bare, { HOLDFAST_HOME })).toEqual({ url: 'http://file:1', apiKey: 'file-key' });
    expect(endpoint({}, below, { ...environment, HOLDFAST_HOME: bare })).toMatchObject({ apiKey: 'env-key' });
  });

  it('is else what the environment says', () => {
    expect(endpoint({}, bare, environment)).toEqual({ url: 'http://env:2', apiKey: 'env-key' });
    expect(endpoint({ url: 'http://given:3' }, bare, { HOLDFAST_API_KEY: 'env-key' })).toMatchObject({
      apiKey: 'env-key',
    });
  });

  it('never sends a key to another api than the one it belongs to', () => {
    expect(() => endpoint({ url: 'http://given:3' }, below, environment)).toThrow(/No key for http:\/\/given:3/);
  });

  it('is asked for when nobody says', () => {
    expect(() => endpoint({}, bare, {})).toThrow(/npm start/);
    expect(() => endpoint({ url: 'ftp://x', key: 'k' }, bare, {})).toThrow(/not an http address/);
  });

  it('cannot come from a file that is damaged', () => {
    const damaged = join(folder, 'damaged');
    mkdirSync(join(damaged, '.holdfast'), { recursive: true });
    writeFileSync(join(damaged, '.holdfast', 'endpoint.json'), '{');
    expect(() => endpoint({}, damaged, environment)).toThrow(/does not hold JSON/);
  });
});

describe('the user’s surroundings', () => {
  it('keep the state where the XDG specification has it', () => {
    expect(stateFolder({ XDG_STATE_HOME: '/state' })).toBe('/state/holdfast');
    expect(stateFolder({})).toMatch(/\/\.local\/state\/holdfast$/);
  });

  it('decide about colours', () => {
    expect(wantsColour(true, {})).toBe(true);
    expect(wantsColour(false, {})).toBe(false);
    expect(wantsColour(true, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColour(true, { TERM: 'dumb' })).toBe(false);
  });
});
