import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-blobs', rootDir: import.meta.dirname };
