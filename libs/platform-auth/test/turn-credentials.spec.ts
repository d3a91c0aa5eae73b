import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { createDataSource, UnitOfWork } from '@holdfast/platform-postgres';
import { testPostgres } from '@holdfast/testing';
import { SignJWT } from 'jose';
import type { DataSource } from 'typeorm';
import { authPersistence, TurnCredentials, type TurnCredentialHolder } from '../src/index.js';
import { TurnCredentialKeys } from '../src/turn-credential-keys.js';

const MINUTE = 60_000;
const PREFIX = 'hf_turn_';

let database: Awaited<ReturnType<typeof testPostgres>>;
let dataSource: DataSource;
let unitOfWork: UnitOfWork;
/** Two processes that share the database and nothing else. */
let here: TurnCredentials;
let elsewhere: TurnCredentials;

beforeAll(async () => {
  database = await testPostgres([authPersistence]);
  dataSource = await createDataSource({ url: database.url, poolSize: 4, applicationName: 'test' }, [
    authPersistence,
  ]).initialize();
  unitOfWork = new UnitOfWork(dataSource);
});
beforeEach(async () => {
  await unitOfWork.query(`DELETE FROM turn_credential_keys`);
  here = aProcess();
  elsewhere = aProcess();
});
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

const aProcess = () => new TurnCredentials(new TurnCredentialKeys(unitOfWork));
const aHolder = (): TurnCredentialHolder => ({
  project_id: randomUUID(),
  key_id: randomUUID(),
  session_id: 's-1',
  turn_id: randomUUID(),
  epoch: 7,
});
const aCredential = () => here.mint(aHolder());
const keys = () => unitOfWork.query<{ kid: string; secret: Buffer }>(`SELECT * FROM turn_credential_keys`);

/** The clock on the wall, and nothing else, says that it is `ms` later. */
const wallClock = (ms: number) =>
  jest.useFakeTimers({ now: Date.now() + ms, doNotFake: ['performance', 'nextTick', 'setImmediate', 'setTimeout'] });
/** All that processes remember has become old. */
const later = (ms: number) => {
  const now = performance.now();
  jest.spyOn(performance, 'now').mockReturnValue(now + ms);
};
/** As if the keys had been made earlier. */
const ageKeys = (seconds: number) =>
  unitOfWork.query(`UPDATE turn_credential_keys SET created_at = created_at - make_interval(secs => $1)`, [seconds]);

const expectRefused = (text: string, by = here) =>
  expect(by.authenticate(text)).rejects.toMatchObject({ code: 'unauthenticated', members: {} });

describe("a turn's credential", () => {
  it('A4: stands for one attempt of one turn of one project, and holds no permission', async () => {
    const holder = aHolder();
    const { project_id, key_id, session_id, turn_id, epoch } = holder;
    const credential = await here.mint(holder);
    expect(await elsewhere.authenticate(credential)).toEqual({
      project_id,
      key_id,
      kind: 'turn',
      permissions: [],
      turn: { session_id, turn_id, epoch },
    });
  });

  it('fits a header, however long the session id is', async () => {
    const credential = await here.mint({ ...aHolder(), session_id: 'a'.repeat(128), epoch: 2 ** 53 - 1 });
    expect(credential).toMatch(/^hf_turn_[\w.-]+$/);
    await expect(elsewhere.authenticate(credential)).resolves.toBeDefined();
  });

  it('is made by many processes at once, which agree on the first key', async () => {
    const processes = Array.from({ length: 5 }, aProcess);
    const made = await Promise.all(processes.map((each) => each.mint(aHolder())));
    for (const credential of made) await expect(here.authenticate(credential)).resolves.toBeDefined();
    expect(await keys()).toHaveLength(1);
  });

  it('of the very first key is known to a process that has found none before', async () => {
    const header = Buffer.from('{"alg":"HS256","typ":"hf-turn+jwt","kid":"0"}').toString('base64url');
    await expectRefused(`${PREFIX}${header}.e30.AA`, elsewhere);
    await expect(elsewhere.authenticate(await aCredential())).resolves.toBeDefined();
  });

  it('ends after 15 minutes, whether it was seen before or not; half a minute is left to clocks that differ', async () => {
    const [seen, unseen] = [await aCredential(), await aCredential()];
    await here.authenticate(seen);
    wallClock(15 * MINUTE + 20_000);
    await expect(here.authenticate(unseen)).resolves.toBeDefined();
    wallClock(11_000);
    await expectRefused(seen);
    await expectRefused(unseen);
  });

  it('A5: is followed by others, so that a turn outlives them', async () => {
    const holder = aHolder();
    const first = await here.mint(holder);
    wallClock(10 * MINUTE);
    const second = await here.mint(holder);
    wallClock(10 * MINUTE);
    await expectRefused(first);
    expect((await here.authenticate(second)).turn).toMatchObject({ turn_id: holder.turn_id });
  });

  it('that was verified is not known any longer than it lives', async () => {
    const credential = await aCredential();
    wallClock(15 * MINUTE);
    await here.authenticate(credential);
    expect(here.known(credential)).toBeDefined();
    later(31_000);
    expect(here.known(credential)).toBeUndefined();
  });
});

describe('a forged credential is refused like any other', () => {
  const claimsOf = (credential: string) =>
    JSON.parse(Buffer.from(credential.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const forged = (secret: Buffer, header: { alg?: string; typ?: string; kid?: string }, claims: object) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'HS256', typ: 'hf-turn+jwt', ...header })
      .sign(createSecretKey(secret));

  let credential: string;
  let kid: string;
  let secret: Buffer;
  beforeEach(async () => {
    credential = await aCredential();
    ({ kid, secret } = (await keys())[0]!);
  });

  it.each<[string, () => string | Promise<string>]>([
    ['nothing after the prefix', () => PREFIX],
    ['no credential at all', () => `${PREFIX}nonsense`],
    ['cut short', () => credential.slice(0, -2)],
    ['without a signature', () => `${credential.split('.').slice(0, 2).join('.')}.`],
    [
      'of other claims under the same signature',
      () => {
        const [header, , signature] = credential.split('.');
        return `${header}.${part({ ...claimsOf(credential), session_id: 'another' })}.${signature}`;
      },
    ],
    [
      'of a longer life under the same signature',
      () => {
        const [header, , signature] = credential.split('.');
        return `${header}.${part({ ...claimsOf(credential), exp: 9_999_999_999 })}.${signature}`;
      },
    ],
    [
      '"alg": "none"',
      () => `${PREFIX}${part({ alg: 'none', typ: 'hf-turn+jwt', kid })}.${part(claimsOf(credential))}.`,
    ],
    [
      '"alg": "none" with a signature',
      () => `${PREFIX}${part({ alg: 'none', typ: 'hf-turn+jwt', kid })}.${part(claimsOf(credential))}.AA`,
    ],
    ['another secret', async () => PREFIX + (await forged(randomBytes(32), { kid }, claimsOf(credential)))],
    [
      'a key that does not exist',
      async () => PREFIX + (await forged(secret, { kid: '0'.repeat(16) }, claimsOf(credential))),
    ],
    ['no key', async () => PREFIX + (await forged(secret, {}, claimsOf(credential)))],
    [
      'another algorithm under the right key',
      async () => PREFIX + (await forged(Buffer.concat([secret, secret]), { alg: 'HS512', kid }, claimsOf(credential))),
    ],
    [
      'another type of token under the right key',
      async () => PREFIX + (await forged(secret, { typ: 'JWT', kid }, claimsOf(credential))),
    ],
    [
      'no end under the right key',
      async () => PREFIX + (await forged(secret, { kid }, { ...claimsOf(credential), exp: undefined })),
    ],
    ['more than a header takes', () => PREFIX + [part({ x: 'x'.repeat(2_000) }), 'b', 'c'].join('.')],
    ['bytes that are no JSON', () => `${PREFIX}${Buffer.from('{').toString('base64url')}.e30.AA`],
  ])('%s', async (_, text) => {
    await expectRefused(await text());
  });

  it('a malformed one costs no query', async () => {
    const query = jest.spyOn(unitOfWork, 'query');
    for (const text of [`${PREFIX}'; --`, PREFIX, `${PREFIX}${'a'.repeat(5_000)}`]) await expectRefused(text);
    expect(query).not.toHaveBeenCalled();
  });

  it('made-up keys cost one query a second together, not one each', async () => {
    await here.authenticate(credential);
    const madeUp = () => forged(secret, { kid: randomBytes(8).toString('hex') }, claimsOf(credential));
    const query = jest.spyOn(unitOfWork, 'query');
    later(2_000);
    for (let n = 0; n < 20; n++) await expectRefused(PREFIX + (await madeUp()));
    expect(query).toHaveBeenCalledTimes(1);
  });
});

describe('what a credential costs', () => {
  it('nothing but a lookup once it was verified', async () => {
    const credential = await aCredential();
    expect(here.known(credential)).toBeUndefined();
    const principal = await here.authenticate(credential);
    const query = jest.spyOn(unitOfWork, 'query');
    expect(here.known(credential)).toBe(principal);
    expect(query).not.toHaveBeenCalled();
  });

  it('no query while the keys were read in the last minute', async () => {
    await here.authenticate(await aCredential());
    const query = jest.spyOn(unitOfWork, 'query');
    await here.authenticate(await aCredential());
    expect(query).not.toHaveBeenCalled();
  });

  it('a database that does not answer is no reason to call a credential bad', async () => {
    const credential = await aCredential();
    jest.spyOn(unitOfWork, 'query').mockRejectedValue(new Error('the database is away'));
    await expect(elsewhere.authenticate(credential)).rejects.toThrow('the database is away');
  });
});

describe('the keys', () => {
  const kidOf = (credential: string) =>
    (JSON.parse(Buffer.from(credential.slice(PREFIX.length).split('.')[0]!, 'base64url').toString()) as { kid: string })
      .kid;

  it('are replaced after a day; the new one signs when every process has had the time to read it', async () => {
    const first = kidOf(await aCredential());
    await ageKeys(24 * 3_600);
    later(61_000);
    const during = await aCredential();
    expect(kidOf(during)).toBe(first);
    expect(await keys()).toHaveLength(2);

    await ageKeys(121);
    later(61_000);
    const after = await aCredential();
    expect(kidOf(after)).not.toBe(first);
    await expect(elsewhere.authenticate(during)).resolves.toBeDefined();
    await expect(elsewhere.authenticate(after)).resolves.toBeDefined();
  });

  it('that another replaced an hour ago verify nothing, and are removed with the next change', async () => {
    const credential = await aCredential();
    await ageKeys(24 * 3_600);
    later(61_000);
    await aCredential();
    await ageKeys(3_601);
    await expectRefused(credential, aProcess());

    await ageKeys(24 * 3_600);
    later(61_000);
    await aCredential();
    expect((await keys()).map(({ kid }) => kid)).not.toContain(kidOf(credential));
  });

  it('that somebody removed end what they signed within a minute', async () => {
    const credential = await aCredential();
    await here.authenticate(credential);
    await unitOfWork.query(`DELETE FROM turn_credential_keys`);
    later(61_000);
    expect(here.known(credential)).toBeUndefined();
    await expectRefused(credential);
  });
});
