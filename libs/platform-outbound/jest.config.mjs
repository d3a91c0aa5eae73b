import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-outbound', rootDir: import.meta.dirname };
