import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-embedded', rootDir: import.meta.dirname };
