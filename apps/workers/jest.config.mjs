import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'workers', rootDir: import.meta.dirname };
