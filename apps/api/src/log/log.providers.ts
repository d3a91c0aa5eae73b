import type { Provider } from '@nestjs/common';
import { Metrics } from '@holdfast/platform-telemetry';
import { LiveViews } from './live-views.js';
import { LogRoutes } from './log-routes.js';
import { OwnStreams } from './own-streams.js';
import { PublicUrl } from './public-url.js';
import { SessionLogs } from './session-logs.js';
import { LONG_POLL_MS, StreamReading } from './stream-reading.js';
import { TurnViews } from './turn-views.js';
import { ViewerLimit } from './viewer-limit.js';

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
  LiveViews,
  TurnViews,
  { provide: PublicUrl, useValue: new PublicUrl(publicUrl) },
  { provide: LONG_POLL_MS, useValue: longPollMs },
  {
    provide: ViewerLimit,
    inject: [Metrics],
    useFactory: (metrics: Metrics) => new ViewerLimit(metrics, maxViewers),
  },
];
