import { DomainError, defineError, isDomainError } from './domain-error.js';

const Full = defineError<{ limit: number }>({
  code: 'disk_full',
  kind: 'unavailable',
  title: 'Disk full',
  detail: ({ limit }) => `Only ${limit} bytes fit.`,
  members: ({ limit }) => ({ limit_bytes: limit }),
});

describe('an error of a catalogue', () => {
  it('carries code, kind, title, detail and members', () => {
    const error = Full({ limit: 7 });
    expect(error).toBeInstanceOf(DomainError);
    expect({ ...error, message: error.message }).toMatchObject({
      code: 'disk_full',
      kind: 'unavailable',
      title: 'Disk full',
      message: 'Only 7 bytes fit.',
      members: { limit_bytes: 7 },
    });
  });

  it('keeps what caused it', () => {
    const cause = new Error('ENOSPC');
    expect(Full({ limit: 7 }, { cause }).cause).toBe(cause);
  });

  it('describes itself before any is made, for documentation', () => {
    expect({ ...Full }).toEqual({ code: 'disk_full', kind: 'unavailable', title: 'Disk full' });
  });

  it('is recognised by its code, whatever copy of the class made it', () => {
    const foreign = Object.assign(new Error('x'), { name: 'DomainError', code: 'disk_full' });
    expect(isDomainError(foreign, 'disk_full')).toBe(true);
    expect(isDomainError(foreign, 'other')).toBe(false);
    expect(isDomainError(new Error('disk_full'))).toBe(false);
    expect(isDomainError(undefined)).toBe(false);
  });
});
