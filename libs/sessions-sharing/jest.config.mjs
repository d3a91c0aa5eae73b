import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'sessions-sharing', rootDir: import.meta.dirname };
