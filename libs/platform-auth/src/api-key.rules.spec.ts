import { matchesHash, mintKey, prefixOf } from './api-key.rules.js';

describe('the text of an API key', () => {
  it.each(['user', 'runner'] as const)('says that it is a %s key and carries its prefix', (kind) => {
    const { text, prefix } = mintKey(kind);
    expect(text).toBe(`hf_${kind}_${prefix}_${text.split('_')[3]}`);
    expect(prefixOf(text)).toBe(prefix);
  });

  it('is never minted twice', () => {
    const keys = Array.from({ length: 200 }, () => mintKey('user'));
    expect(new Set(keys.map(({ text }) => text)).size).toBe(200);
    expect(new Set(keys.map(({ prefix }) => prefix)).size).toBe(200);
  });

  it('matches its own hash only', () => {
    const { text, hash } = mintKey('user');
    expect(matchesHash(text, hash)).toBe(true);
    expect(matchesHash(text.replace('user', 'runner'), hash)).toBe(false);
    expect(matchesHash(`${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`, hash)).toBe(false);
  });

  it.each([
    '',
    'hf_user_',
    `hf_admin_${'0'.repeat(16)}_${'0'.repeat(64)}`,
    `hf_user_${'0'.repeat(15)}_${'0'.repeat(64)}`,
    `hf_user_${'0'.repeat(16)}_${'0'.repeat(63)}`,
    `hf_user_${'g'.repeat(16)}_${'0'.repeat(64)}`,
    ` hf_user_${'0'.repeat(16)}_${'0'.repeat(64)}`,
    `hf_user_${'0'.repeat(16)}_${'0'.repeat(64)}\n`,
    `hf_user_';DROP TABLE--_${'0'.repeat(64)}`,
  ])('is refused without a look at the database when it is %j', (text) => {
    expect(prefixOf(text)).toBeUndefined();
  });
});
