import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'sessions-triggers', rootDir: import.meta.dirname };
