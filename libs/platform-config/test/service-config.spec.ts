import { ConfigInvalid, readConfig, ServiceConfig } from '../src/index.js';

const DATABASE_URL = 'postgres://u:p@localhost:5432/holdfast';

describe('the configuration of a service', () => {
  it('B25: needs nothing but a database; every time and limit has a default', () => {
    expect(readConfig(ServiceConfig, { DATABASE_URL })).toMatchObject({
      DATABASE_URL,
      directUrl: DATABASE_URL,
      REDIS_URL: undefined,
      POSTGRES_POOL_SIZE: 10,
      LOG_PRETTY: false,
      streams: {
        leaseSeconds: 30,
        beatSeconds: 5,
        watchdogSeconds: 20,
        stoppingSeconds: 5,
        maxLiveTurnsPerProject: 1000,
      },
    });
  });

  it('reads numbers and switches from text, and takes an empty variable as absent', () => {
    const config = readConfig(ServiceConfig, {
      DATABASE_URL,
      POSTGRES_POOL_SIZE: '3',
      LOG_PRETTY: '1',
      STOPPING_SECONDS: '2.5',
      REDIS_URL: '',
    });
    expect(config).toMatchObject({
      POSTGRES_POOL_SIZE: 3,
      LOG_PRETTY: true,
      STOPPING_SECONDS: 2.5,
      REDIS_URL: undefined,
    });
  });

  it('uses the direct database where a pooler stands in front', () => {
    const DATABASE_DIRECT_URL = 'postgres://u:p@localhost:5433/holdfast';
    expect(readConfig(ServiceConfig, { DATABASE_URL, DATABASE_DIRECT_URL }).directUrl).toBe(DATABASE_DIRECT_URL);
  });

  it.each([
    [{ LEASE_SECONDS: '10' }, /WATCHDOG_SECONDS must be less than LEASE_SECONDS/],
    [{ BEAT_SECONDS: '25' }, /BEAT_SECONDS must be less than WATCHDOG_SECONDS/],
  ])('B25: refuses times under which an agent could outlive its lease: %j', (times, message) => {
    expect(() => readConfig(ServiceConfig, { DATABASE_URL, ...times })).toThrow(message);
  });

  it('names every problem at once', () => {
    const read = () =>
      readConfig(ServiceConfig, { DATABASE_URL: 'mysql://x', POSTGRES_POOL_SIZE: 'many', LOG_LEVEL: 'loud' });
    expect(read).toThrow(ConfigInvalid);
    expect(read).toThrow(/DATABASE_URL must be a postgres:\/\/ URL[^]*POSTGRES_POOL_SIZE[^]*LOG_LEVEL/);
  });

  it('reads nothing that it does not declare', () => {
    expect(readConfig(ServiceConfig, { DATABASE_URL, SECRET: 'x' })).not.toHaveProperty('SECRET');
  });
});
