// Jest reporter: leaves one project's counts for tools/test.mjs in the folder HOLDFAST_TEST_RESULTS.
const { writeFileSync } = require('node:fs');
const { basename, join } = require('node:path');

module.exports = class CountReporter {
  constructor(globalConfig) {
    this.project = basename(globalConfig.rootDir);
  }

  onRunComplete(_contexts, results) {
    const counts = {
      project: this.project,
      passed: results.numPassedTests,
      failed: results.numFailedTests,
      skipped: results.numPendingTests + results.numTodoTests,
      brokenSuites: results.numRuntimeErrorTestSuites,
    };
    writeFileSync(join(process.env.HOLDFAST_TEST_RESULTS, `${this.project}.json`), JSON.stringify(counts));
  }
};
