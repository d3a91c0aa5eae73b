import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'push-reference', rootDir: import.meta.dirname };
