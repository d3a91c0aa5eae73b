/** Which methods each path serves: Fastify answers a wrong method like a wrong path. */
export class RouteMethods {
  private readonly routes: { path: RegExp; methods: string[] }[] = [];

  /** `url` is a Fastify route: `/v1/sessions/:session_id`, perhaps with `*` at its end. */
  add(url: string, method: string | string[]): void {
    const pattern = url
      .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replace(/:[^/]+/g, '[^/]+')
      .replace(/\*/g, '.*');
    this.routes.push({ path: new RegExp(`^${pattern}$`), methods: [method].flat() });
  }

  /** Sorted; empty when nothing is served at `path`. */
  at(path: string): string[] {
    const methods = this.routes.filter((route) => route.path.test(path)).flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  }
}
