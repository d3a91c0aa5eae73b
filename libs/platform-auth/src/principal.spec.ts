import { PERMISSIONS, holds, type Permission } from './principal.js';

const withPermissions = (...permissions: Permission[]) => ({
  project_id: 'p',
  key_id: 'k',
  kind: 'user' as const,
  permissions,
});

describe('permissions', () => {
  it.each([
    ['VIEW_SESSIONS', ['VIEW_SESSIONS']],
    ['EDIT_SESSIONS', ['EDIT_SESSIONS']],
    ['RUN_SESSIONS', ['RUN_SESSIONS', 'RESPOND_INTERACTIONS']],
    ['RESPOND_INTERACTIONS', ['RESPOND_INTERACTIONS']],
    ['MANAGE_PROJECT', ['MANAGE_PROJECT']],
  ] as [Permission, Permission[]][])('%s grants exactly %j', (granted, expected) => {
    const principal = withPermissions(granted);
    expect(PERMISSIONS.filter((permission) => holds(principal, permission)).sort()).toEqual([...expected].sort());
  });

  it('are none for a key without any', () => {
    expect(PERMISSIONS.filter((permission) => holds(withPermissions(), permission))).toEqual([]);
  });
});
