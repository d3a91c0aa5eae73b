/**
 * HTTP/1.1 requests as bytes. `server` is what the load gets of a server: `{ port, authorization }`, the second only
 * where the server asks for it.
 */
export function createRequest(server, path) {
  return head(server, 'PUT', path, `${JSON_BODY}Content-Length: 0\r\n`);
}

/** Makes a session, whose log can be read from then on. */
export function sessionRequest(server, session_id) {
  return head(server, 'PUT', `/v1/sessions/${session_id}`, `${JSON_BODY}Content-Length: 2\r\n`) + '{}';
}

export function appendRequest(server, path, body) {
  return head(server, 'POST', path, `${JSON_BODY}Content-Length: ${body.length}\r\n`) + body;
}

/** An append of an idempotent producer in its first epoch. */
export function producerAppendRequest(server, path, body, { producer, sequence }) {
  const fields = `Producer-Id: ${producer}\r\nProducer-Epoch: 0\r\nProducer-Seq: ${sequence}\r\n`;
  return head(server, 'POST', path, `${JSON_BODY}${fields}Content-Length: ${body.length}\r\n`) + body;
}

/** A runner's append, as batch `seq` of the turn that it owns under `epoch`. */
export function turnAppendRequest(server, path, body, { epoch, seq }) {
  const fields = `Producer-Id: runner\r\nProducer-Epoch: ${epoch}\r\nProducer-Seq: ${seq}\r\n`;
  return head(server, 'POST', path, `${JSON_BODY}${fields}Content-Length: ${body.length}\r\n`) + body;
}

/** `live` is `long-poll`, `sse` or undefined. */
export function readRequest(server, path, offset, live) {
  return head(server, 'GET', `${path}?${live ? `live=${live}&` : ''}offset=${offset}`, '');
}

const JSON_BODY = 'Content-Type: application/json\r\n';

function head({ port, authorization }, method, target, fields) {
  const credential = authorization ? `Authorization: ${authorization}\r\n` : '';
  return `${method} ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${credential}${fields}\r\n`;
}
