import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-http', rootDir: import.meta.dirname };
