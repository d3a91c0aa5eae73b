import type { IncomingMessage } from 'node:http';
import { readConfig } from '@holdfast/platform-config';
import { ApiConfig } from '../src/config.js';
import { PublicUrl } from '../src/log/public-url.js';

const NEEDED = { DATABASE_URL: 'postgres://127.0.0.1/holdfast', BLOBS_URL: 'file:///var/lib/holdfast' };
const configured = (url: string) => readConfig(ApiConfig, { ...NEEDED, PUBLIC_URL: url }).PUBLIC_URL;
const request = (rest: { host?: string; encrypted?: boolean } = {}) => {
  const { host, encrypted = false } = rest;
  const socket = { localAddress: '10.0.0.7', localPort: 4300, encrypted };
  return { headers: { host }, socket } as unknown as IncomingMessage;
};

describe('the public URL', () => {
  it('is the one that is configured, however the caller reached the api', () => {
    expect(new PublicUrl('https://holdfast.example').baseFor(request({ host: 'evil.example' }))).toBe(
      'https://holdfast.example',
    );
    expect(new PublicUrl('https://example.com/agents/').baseFor(request())).toBe('https://example.com/agents');
  });

  it('is as the caller reached the api where none is configured', () => {
    expect(new PublicUrl(undefined).baseFor(request({ host: 'a.example:8080' }))).toBe('http://a.example:8080');
    expect(new PublicUrl(undefined).baseFor(request({ host: 'a.example', encrypted: true }))).toBe('https://a.example');
    expect(new PublicUrl(undefined).baseFor(request())).toBe('http://10.0.0.7:4300');
  });

  it.each(['https://holdfast.example', 'http://localhost:4300', 'https://10.0.0.7/agents/'])('may be %s', (url) => {
    expect(configured(url)).toBe(url);
  });

  it('may be absent', () => expect(configured('')).toBeUndefined());

  it.each([
    'holdfast.example',
    'ftp://holdfast.example',
    'https://',
    'https://user:secret@holdfast.example',
    'https://holdfast.example?a=1',
    'https://holdfast.example/#a',
    'https://holdfast.example/a b',
  ])('is not "%s"', (url) => {
    expect(() => configured(url)).toThrow('PUBLIC_URL must be');
  });
});
