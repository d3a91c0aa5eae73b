import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'agents', rootDir: import.meta.dirname };
