import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'harnesses', rootDir: import.meta.dirname };
