import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-signals', rootDir: import.meta.dirname };
