/** A service that the Jest global setup started, or that the user named; undefined when there is none. */
export function serviceUrl(
  name: 'HOLDFAST_TEST_POSTGRES_URL' | 'HOLDFAST_TEST_REDIS_URL' | 'HOLDFAST_TEST_S3_URL',
): string | undefined {
  return process.env[name] || undefined;
}

/** Names what one test run makes in a shared server, so that the run's end can remove it. */
export function testRun(): string {
  return process.env['HOLDFAST_TEST_RUN'] ?? String(process.pid);
}
