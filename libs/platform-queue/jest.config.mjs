import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-queue', rootDir: import.meta.dirname };
