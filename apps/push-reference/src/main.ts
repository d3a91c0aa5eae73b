import type { AddressInfo } from 'node:net';
import { readConfig } from './config.js';
import { createPushServer } from './push-server.js';
import { PushedTurn } from './pushed-turn.js';
import { Signatures } from './signatures.js';

const { url, host, port } = readConfig();
const signatures = new Signatures(url);
const server = createPushServer({
  isFromHoldfast: (message) => signatures.areRight(message),
  run: (request) => new PushedTurn(url, request).run(),
});
server.listen(port, host, () => {
  console.log(`push-reference ready http://${host}:${(server.address() as AddressInfo).port}`);
});
