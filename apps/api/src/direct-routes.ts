import { Injectable } from '@nestjs/common';
import type { DomainError } from '@holdfast/platform-errors';
import { DirectRoutes, type DirectRoute } from '@holdfast/platform-http';
import { LogRoutes } from './log/log-routes.js';
import { NativeRoutes } from './native/native-routes.js';

/** What the api serves without the framework. */
@Injectable()
export class ApiDirectRoutes extends DirectRoutes {
  constructor(
    private readonly log: LogRoutes,
    private readonly native: NativeRoutes,
  ) {
    super();
  }

  get all(): DirectRoute[] {
    return [...this.log.all, ...this.native.all];
  }

  find(path: string): DirectRoute | undefined {
    return this.log.find(path) ?? this.native.find(path);
  }

  headersOf(error: DomainError): Record<string, string> {
    return this.log.headersOf(error);
  }
}
