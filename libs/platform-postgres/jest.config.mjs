import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-postgres', rootDir: import.meta.dirname };
