import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-config', rootDir: import.meta.dirname };
