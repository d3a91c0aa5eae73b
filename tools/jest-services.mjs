// Jest's globalSetup: the workers inherit the environment that this sets.
import { startTestServices } from './test-services.mjs';

export default async function setup() {
  globalThis.__holdfastStopTestServices = await startTestServices();
}
