import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'sessions-streams', rootDir: import.meta.dirname };
