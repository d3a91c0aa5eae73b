/** The same PostgreSQL without a server in front, in a database of its own. */
export function barePostgres({ postgres }) {
  const url = new URL(postgres.url);
  url.pathname = '/bare';
  return {
    name: 'postgres',
    databaseUrl: url.href,
    processes: () => ({ postgres: [postgres.pid] }),
    start: () => undefined,
    stop: () => undefined,
  };
}
