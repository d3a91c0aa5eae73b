import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'sessions-interactions', rootDir: import.meta.dirname };
