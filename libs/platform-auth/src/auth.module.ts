import { Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ApiKeys } from './api-keys.service.js';
import { AuthGuard } from './auth.guard.js';
import { PrivateSessions } from './private-sessions.js';
import { ProjectSettingsService } from './project-settings.service.js';
import { RequestAuthentication } from './request-authentication.service.js';
import { TurnCredentialKeys } from './turn-credential-keys.js';
import { TurnCredentials } from './turn-credentials.service.js';

/**
 * Keys, credentials of turns, and the guard of every route. Needs platform-postgres. Whoever keeps shares is a global
 * module that exports `ShareCredentials` and `SessionAccess`.
 */
@Module({})
export class AuthModule {
  static forRoot(): DynamicModule {
    return {
      module: AuthModule,
      global: true,
      providers: [
        ApiKeys,
        ProjectSettingsService,
        PrivateSessions,
        TurnCredentialKeys,
        TurnCredentials,
        RequestAuthentication,
        { provide: APP_GUARD, useClass: AuthGuard },
      ],
      exports: [ApiKeys, ProjectSettingsService, PrivateSessions, TurnCredentials, RequestAuthentication],
    };
  }
}
