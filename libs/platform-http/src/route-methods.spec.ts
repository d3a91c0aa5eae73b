import { RouteMethods } from './route-methods.js';

describe('RouteMethods', () => {
  const routes = new RouteMethods();
  routes.add('/v1/sessions/:session_id', 'PUT');
  routes.add('/v1/sessions/:session_id', 'GET');
  routes.add('/v1/sessions/query', ['POST', 'POST']);
  routes.add('/v1/stream/*', 'GET');
  routes.add('/v1.0/x', 'GET');

  it.each([
    ['/v1/sessions/a', ['GET', 'PUT']],
    ['/v1/sessions/query', ['GET', 'POST', 'PUT']],
    ['/v1/sessions/a/b', []],
    ['/v1/sessions/', []],
    ['/v1/stream/a/b/c', ['GET']],
    ['/v1.0/x', ['GET']],
    ['/v1a0/x', []],
  ])('knows what %s serves', (path, methods) => {
    expect(routes.at(path)).toEqual(methods);
  });
});
