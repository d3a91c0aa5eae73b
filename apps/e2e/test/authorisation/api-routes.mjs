// Prints what the built api serves, as lines of a method and a path: of its controllers and of those that its modules bring,
// and of its direct lane, whether OpenAPI describes them or not.
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const dist = path.resolve(import.meta.dirname, '../../../api/dist');
const built = (file) => import(pathToFileURL(path.join(dist, file)).href);

const [{ ApiModule }, { ApiConfig }, { LogRoutes }, { OwnStreams }, { SessionLogs }, { NativeRoutes }] =
  await Promise.all(
    [
      'api.module.js',
      'config.js',
      'log/log-routes.js',
      'log/own-streams.js',
      'log/session-logs.js',
      'native/native-routes.js',
    ].map(built),
  );
const { ApiDirectRoutes } = await built('direct-routes.js');
// As Nest numbers them, and in the order of its enum.
const VERBS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'ALL', 'OPTIONS', 'HEAD'];

const routes = new Set();
for (const controller of controllersOf(ApiModule.forRoot(new ApiConfig()))) {
  const root = Reflect.getMetadata('path', controller);
  for (const name of Object.getOwnPropertyNames(controller.prototype)) {
    const handler = controller.prototype[name];
    const method = Reflect.getMetadata('method', handler);
    if (method === undefined) continue;
    const segments = [root, Reflect.getMetadata('path', handler)].flatMap((part) => part.split('/')).filter(Boolean);
    routes.add(`${VERBS[method]} /${segments.join('/')}`);
  }
}
// What they would do is not asked of them: they are made with nothing.
for (const { name, methods } of new ApiDirectRoutes(
  new LogRoutes(new OwnStreams(), new SessionLogs()),
  new NativeRoutes(),
).all) {
  for (const method of Object.keys(methods)) routes.add(`${method} ${name}`);
}
for (const route of routes) console.log(route);

function controllersOf({ controllers = [], imports = [] }) {
  return [...controllers, ...imports.flatMap((module) => controllersOf(module))];
}
