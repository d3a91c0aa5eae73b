import type { Provider } from '@nestjs/common';
import { Metrics } from '@holdfast/platform-telemetry';
import { GRANT_CHECK_MS, LiveGrants } from './live-grants.js';
import { LiveViews } from './live-views.js';
import { LogRoutes } from './log-routes.js';
import { OwnStreams } from './own-streams.js';
import { PublicUrl } from './public-url.js';
import { SessionLogs } from './session-logs.js';
import { LONG_POLL_MS, StreamReading } from './stream-reading.js';
import { TurnViews } from './turn-views.js';
import { ViewerLimit } from './viewer-limit.js';
import { WatchAccess } from './watch-access.js';

/** So that whoever is cut off sees no more than this, even where nobody could tell. */
const GRANT_CHECKED_EVERY_MS = 10_000;

export interface LogOverHttp {
  longPollMs: number;
  maxViewers: number;
  publicUrl: string | undefined;
}

/** The log over HTTP. */
export const logProviders = ({ longPollMs, maxViewers, publicUrl }: LogOverHttp): Provider[] => [
  LogRoutes,
  OwnStreams,
  SessionLogs,
  StreamReading,
  LiveGrants,
  LiveViews,
  TurnViews,
  WatchAccess,
  { provide: PublicUrl, useValue: new PublicUrl(publicUrl) },
  { provide: LONG_POLL_MS, useValue: longPollMs },
  { provide: GRANT_CHECK_MS, useValue: GRANT_CHECKED_EVERY_MS },
  {
    provide: ViewerLimit,
    inject: [Metrics],
    useFactory: (metrics: Metrics) => new ViewerLimit(metrics, maxViewers),
  },
];
