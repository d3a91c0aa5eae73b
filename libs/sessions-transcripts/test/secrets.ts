/** Characters of an alphabet that look picked at random, the same each time. The files hold no whole secret. */
export function picked(length: number, alphabet = 'aZ3kQ9xW1mB7vR5tY2nC8pL4sD6gH0jF'): string {
  return Array.from({ length }, (_, index) => alphabet[(index * 7 + 3) % alphabet.length]).join('');
}

const HEX = '0a9c4e7b2d8f1635';
const UPPER = 'QK7ZM3XWBT5NVR2HCJ';
const LOWER = 'kqzmxwbtnvrhcj';

export const HOLDFAST_KEY = `hf_user_${picked(16, HEX)}_${picked(64, HEX)}`;
export const GITHUB_TOKEN = `ghp_${picked(36)}`;
export const JWT = `eyJ${picked(30)}.eyJ${picked(60)}.${picked(43)}`;

const pemLines = Array.from({ length: 25 }, (_, index) => picked(64 - (index % 2), 'aZ3kQ9+W1mB7vR5tY/nC8pL4sD6gH0jF'));
const pemEdge = (edge: string, kind = 'RSA ') => `-----${edge} ${kind}PRIVATE KEY-----`;
export const PRIVATE_KEY = [pemEdge('BEGIN'), ...pemLines, `${picked(20)}==`, pemEdge('END')].join('\n');

/** One of each kind, by the rule that must find it. */
export const SECRETS: [rule: string, secret: string][] = [
  ['holdfast_key', HOLDFAST_KEY],
  ['holdfast_key', HOLDFAST_KEY.replace('user', 'runner')],
  ['holdfast_turn', `hf_turn_${JWT}`],
  ['private_key', PRIVATE_KEY],
  ['private_key', PRIVATE_KEY.replaceAll('\n', '\\n')],
  ['private_key', PRIVATE_KEY.replaceAll('\n', '\r\n      ')],
  ['private_key', PRIVATE_KEY.replaceAll('RSA PRIVATE', 'PRIVATE')],
  ['private_key', PRIVATE_KEY.replaceAll('RSA PRIVATE', 'OPENSSH PRIVATE')],
  ['private_key', PRIVATE_KEY.replaceAll('RSA PRIVATE KEY', 'PGP PRIVATE KEY BLOCK')],
  ['private_key', PRIVATE_KEY.replace('\n', `\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,${picked(32, HEX)}\n\n`)],
  ['private_key', PRIVATE_KEY.split(`\n${picked(20)}`)[0]!],
  ['github_token', GITHUB_TOKEN],
  ['github_token', `gho_${picked(36)}`],
  ['github_token', `github_pat_${picked(22)}_${picked(59)}`],
  ['gitlab_token', `glpat-${picked(20)}`],
  ['aws_access_key_id', `AKIA${picked(16, UPPER)}`],
  ['slack_token', `xoxb-${picked(12, '0123456789')}-${picked(12, '0123456789')}-${picked(24)}`],
  ['slack_webhook', `hooks.slack.com/services/T${picked(8, UPPER)}/B${picked(8, UPPER)}/${picked(24)}`],
  ['stripe_key', `sk_live_${picked(24)}`],
  ['webhook_secret', `whsec_${picked(32)}`],
  ['anthropic_key', `sk-ant-api03-${picked(93)}AA`],
  ['openai_key', `sk-proj-${picked(60)}-${picked(60)}`],
  ['openai_key', `sk-${picked(48)}`],
  ['openrouter_key', `sk-or-v1-${picked(64, HEX)}`],
  ['huggingface_token', `hf_${picked(34)}`],
  ['google_api_key', `AIza${picked(35)}`],
  ['google_oauth', `ya29.${picked(100)}`],
  ['npm_token', `npm_${picked(36)}`],
  ['pypi_token', `pypi-AgE${picked(100)}`],
  ['docker_token', `dckr_pat_${picked(27)}`],
  ['sendgrid_key', `SG.${picked(22)}.${picked(43)}`],
  ['digitalocean_token', `dop_v1_${picked(64, HEX)}`],
  ['vault_token', `hvs.${picked(90)}`],
  ['age_key', `AGE-SECRET-KEY-1${picked(58, UPPER)}`],
  ['jwt', JWT],
];

/** Secrets that are told by what stands before them: the text before, the secret, the text after. */
export const SECRETS_IN_PLACE: [rule: string, before: string, secret: string, after: string][] = [
  ['authorization', 'curl -H "Authorization: Bearer ', picked(12, LOWER), '" https://example.com'],
  ['authorization', 'authorization: Basic ', 'dXNlcjpwYXNz', '\n'],
  ['authorization', '{"authorization":"token ', picked(20), '"}'],
  ['authorization', String.raw`{\"Authorization\": \"Bearer `, picked(20), String.raw`\"}`],
  ['authorization', 'AUTHORIZATION=', picked(24), ' '],
  ['bearer_token', 'It sends Bearer ', picked(24), ', which fails.'],
  ['api_key_header', "-H 'x-api-key: ", picked(24), "'"],
  ['aws_secret_key', 'AWS_SECRET_ACCESS_KEY=', picked(40), '\n'],
  ['aws_secret_key', '"SecretAccessKey": "', picked(40), '",'],
  ['aws_session_token', 'aws_session_token = ', picked(200), '\n'],
  ['azure_storage_key', 'AccountName=a;AccountKey=', `${picked(86)}==`, ';EndpointSuffix=x'],
  ['url_password', 'postgres://app:', picked(12, LOWER), '@db.example.com:5432/app'],
  ['url_password', 'redis://:', picked(12), '@cache:6379'],
];

/** What is like a secret and is none. */
export const NO_SECRETS: [what: string, text: string][] = [
  ['a UUID', '0199a000-0000-7000-8000-000000000001'],
  ['a commit', 'commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12'],
  ['a digest', `sha256:${picked(64, HEX)}`],
  ['the integrity of a package', `"integrity": "sha512-${picked(86)}=="`],
  ['an image in base64', picked(4000)],
  ['an image as a data URL', `data:image/png;base64,${picked(4000)}`],
  ['an image in Markdown', `![x](data:image/png;base64,iVBOR${picked(400)})`],
  ['a token in the middle of a word', `xyz${GITHUB_TOKEN}`],
  ['a token that is too short', 'ghp_short and sk-short and hf_turn_short and glpat-x'],
  ['a prefix that is explained', 'Keys begin with hf_user_, hf_runner_ or ghp_; AKIA is for AWS.'],
  ['a variable in a header', 'curl -H "Authorization: Bearer $TOKEN" -H "x-api-key: ${KEY}"'],
  ['a blank in a header', 'Authorization: Bearer <token>'],
  ['a sentence about authorization', 'Authorization: permission-based-authorization of all users'],
  ['a sentence about bearers', 'Bearer token-based-authentication is what a standard bearer should use.'],
  ['a class that is named', 'Bearer AuthenticationProvider, Authorization: TokenAuthenticationFilter'],
  ['a URL with a port', 'http://localhost:4300/v1/@me and https://example.com:8443/a?b=c@d'],
  ['a user in a URL', 'ssh://git@example.com/a.git and git@example.com:a/b.git'],
  ['a variable in a URL', 'postgres://app:$PASSWORD@db/app and postgres://app:${PASSWORD}@db/app'],
  ['a public key', `-----BEGIN PUBLIC KEY-----\n${picked(64)}\n-----END PUBLIC KEY-----`],
  ['a private key that is spoken of', 'It begins with -----BEGIN PRIVATE KEY----- and a line break follows.'],
  ['a name with a prefix of a key', 'sk-learn, task-runner, risk-assessment-framework-for-everything'],
];
