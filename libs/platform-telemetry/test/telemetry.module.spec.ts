import { Test } from '@nestjs/testing';
import { Metrics, TelemetryModule } from '../src/index.js';

async function metricsOf(app: string): Promise<Metrics> {
  const module = await Test.createTestingModule({
    imports: [TelemetryModule.forRoot({ app, logLevel: 'silent', pretty: false })],
  }).compile();
  return module.get(Metrics);
}

describe('metrics', () => {
  it('are exposed as Prometheus text with the app as a label, beside those of the process', async () => {
    const metrics = await metricsOf('api');
    metrics.counter({ name: 'turns_total', help: 'Turns.', labelNames: ['status'] }).inc({ status: 'completed' }, 2);
    metrics.gauge({ name: 'turns_live', help: 'Live.' }).set(3);
    metrics.histogram({ name: 'turn_seconds', help: 'Time.', buckets: [1, 5] }).observe(2);

    const { contentType, text } = await metrics.expose();
    expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(text).toContain('turns_total{status="completed",app="api"} 2');
    expect(text).toContain('turns_live{app="api"} 3');
    expect(text).toContain('turn_seconds_bucket{le="5",app="api"} 1');
    expect(text).toContain('process_cpu_seconds_total');
  });

  it('of two apps in one process do not meet', async () => {
    const [one, two] = [await metricsOf('api'), await metricsOf('workers')];
    one.counter({ name: 'jobs_total', help: 'Jobs.' }).inc();
    two.counter({ name: 'jobs_total', help: 'Jobs.' });
    expect((await two.expose()).text).toContain('jobs_total{app="workers"} 0');
  });

  it('refuse a name that is taken', async () => {
    const metrics = await metricsOf('api');
    metrics.counter({ name: 'twice_total', help: 'Once.' });
    expect(() => metrics.counter({ name: 'twice_total', help: 'Again.' })).toThrow(/already been registered/);
  });
});
