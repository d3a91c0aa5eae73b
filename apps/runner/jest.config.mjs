import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'runner', rootDir: import.meta.dirname };
