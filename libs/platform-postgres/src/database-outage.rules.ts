/**
 * Codes of PostgreSQL that end a connection, or refuse one, for reasons that pass: class 08, 57P01–57P05 (it stops,
 * starts or was told to end the connection), 25P03 (this process froze in a transaction), 53300 (no connection is
 * free). https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const OF_POSTGRES = /^(08...|57P0[1-5]|25P03|53300)$/;

/** Of the network, by Node's names. */
const OF_NETWORK = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
];

/** What `pg` throws without a code: it has nothing else to tell them by. */
const OF_PG = /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout)|is not queryable$/;

/**
 * Whether the error says that PostgreSQL could not be reached, or that the connection was lost. Where that was at a
 * commit, nobody knows whether it took place.
 */
export function isDatabaseOutage(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'string') return OF_POSTGRES.test(code) || OF_NETWORK.includes(code);
  return typeof message === 'string' && OF_PG.test(message);
}
