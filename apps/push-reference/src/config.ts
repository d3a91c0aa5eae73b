/** What this service was told. */
export interface Config {
  /** Where the api of Holdfast answers. */
  url: string;
  host: string;
  port: number;
}

/** Reads the environment once. Throws when it says too little. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const { HOLDFAST_URL: url, HOST: host = '127.0.0.1', PORT: port = '0' } = environment;
  if (!url || !URL.canParse(url)) throw new Error('HOLDFAST_URL must be where the api of Holdfast answers');
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new Error('PORT must be a port');
  return { url, host, port: Number(port) };
}
