const PATIENCE_MS = 10_000;

// Jest's globalTeardown.
export default async function teardown() {
  await globalThis.__holdfastStopTestServices();
  // Unref'd, so it only goes off in a Jest that something a test left open keeps from ending.
  setTimeout(() => {
    console.error('A test left a connection, timer or process open: Jest does not end. Try --detectOpenHandles.');
    process.exit(1);
  }, PATIENCE_MS).unref();
}
