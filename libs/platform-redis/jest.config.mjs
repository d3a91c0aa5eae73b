import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-redis', rootDir: import.meta.dirname };
