import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'client', rootDir: import.meta.dirname };
