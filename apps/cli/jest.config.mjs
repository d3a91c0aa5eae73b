import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'cli', rootDir: import.meta.dirname };
