import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-errors', rootDir: import.meta.dirname };
