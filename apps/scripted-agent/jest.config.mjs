import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'scripted-agent', rootDir: import.meta.dirname };
