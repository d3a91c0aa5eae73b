import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'sessions-transcripts', rootDir: import.meta.dirname };
