import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'durable-streams', rootDir: import.meta.dirname };
