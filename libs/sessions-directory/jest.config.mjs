import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'sessions-directory', rootDir: import.meta.dirname };
