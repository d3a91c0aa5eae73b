import base from '../../jest.preset.mjs';

export default { ...base, displayName: 'platform-telemetry', rootDir: import.meta.dirname };
