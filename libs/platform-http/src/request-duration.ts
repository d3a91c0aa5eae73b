import type { Metrics } from '@holdfast/platform-telemetry';

export type RequestDuration = ReturnType<typeof measureRequests>;

/** The one metric of all requests, whoever serves them. */
export function measureRequests(metrics: Metrics) {
  return metrics.histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the request to the end of its response, without event streams.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  });
}
