import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'sessions', rootDir: import.meta.dirname };
