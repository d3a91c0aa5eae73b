import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-auth', rootDir: import.meta.dirname };
