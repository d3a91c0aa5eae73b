import { appendRequest } from './requests.mjs';

/** One operation of the api: resolves to its answer. `server.authorization` is the credential that it is called with. */
export async function call(connection, server, path, fields) {
  const { text } = await connection.request(appendRequest(server, path, JSON.stringify(fields)), { keepText: true });
  return JSON.parse(text);
}
