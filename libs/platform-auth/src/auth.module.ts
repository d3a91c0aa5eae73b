import { Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ApiKeys } from './api-keys.service.js';
import { AuthGuard } from './auth.guard.js';
import { RequestAuthentication } from './request-authentication.service.js';

/** Keys, and the guard of every route. Needs platform-postgres. */
@Module({})
export class AuthModule {
  static forRoot(): DynamicModule {
    return {
      module: AuthModule,
      global: true,
      providers: [ApiKeys, RequestAuthentication, { provide: APP_GUARD, useClass: AuthGuard }],
      exports: [ApiKeys, RequestAuthentication],
    };
  }
}
