// Jest transformer: TypeScript to CommonJS, ESM-only packages to CommonJS, other JavaScript untouched.
const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { transformSync, version } = require('@swc/core');

const self = readFileSync(__filename);
const esmSyntax = /^\s*(?:import[\s{*"']|export[\s{*])/m;

function swcOptions(filename, isTypeScript) {
  return {
    filename,
    swcrc: false,
    configFile: false,
    sourceMaps: isTypeScript ? 'inline' : false,
    env: { targets: { node: '20' } },
    jsc: {
      parser: isTypeScript ? { syntax: 'typescript', decorators: true } : { syntax: 'ecmascript' },
      keepClassNames: true,
      transform: isTypeScript
        ? { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false }
        : undefined,
    },
    module: { type: 'commonjs' },
  };
}

module.exports = {
  canInstrument: false,
  getCacheKey(source, filename, options) {
    const hash = createHash('sha1').update(self).update(version).update(source).update('\0').update(filename);
    return hash
      .update(options.configString ?? '')
      .digest('hex')
      .slice(0, 32);
  },
  process(source, filename) {
    const isTypeScript = /\.[cm]?tsx?$/.test(filename);
    if (!isTypeScript && (filename.endsWith('.cjs') || !esmSyntax.test(source))) return { code: source };
    return transformSync(source, swcOptions(filename, isTypeScript));
  },
};
