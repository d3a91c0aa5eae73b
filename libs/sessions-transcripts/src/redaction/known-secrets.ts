import { RE2JS } from 're2js';
import type { RedactionRule } from './redaction-rule.js';

/** No letter or digit before it: in the middle of a word, a hash or base64 it is none. */
const START = '(?:^|[^A-Za-z0-9])';
const END = '(?:[^A-Za-z0-9]|$)';
/** token68 of RFC 9110, 11.2. */
const TOKEN = '[A-Za-z0-9._~+/-]';
/** Between the name of a header or a variable and its value: also in JSON, also in JSON that is text in JSON. */
const ASSIGNS = String.raw`\\{0,3}["']?\s{0,8}(?:=>|[:=])\s{0,8}\\{0,3}["']?`;
/** Between the lines of a PEM block: also in JSON, YAML, source code. */
const BREAK = String.raw`(?:\s|\\+[rn]|["'+,>|])`;
const PEM_LABEL = '(?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----';
const PEM_LINE = '[A-Za-z0-9+/=]{16,}';
/** Short last lines, and the line that ends the block. */
const PEM_END = `(?:${BREAK}*[A-Za-z0-9+/=]{1,76}){0,2}${BREAK}*-----END ${PEM_LABEL}`;

const GITLAB = ['pat', 'oas', 'dt', 'rt', 'rtr', 'ptt', 'ft', 'imt', 'agent', 'soat', 'ffct', 'cbt'].map(
  (kind) => `gl${kind}-`,
);

/**
 * Formats that can be told from other text by themselves, as those who hand them out describe them. What can be told
 * only by its name ("password = …") is for the rules of an installation.
 */
export const KNOWN_SECRETS: readonly RedactionRule[] = [
  // platform-auth: api-key.rules, turn-credentials.service. A turn's may have been cut off in the middle.
  startsWith('holdfast_key', 'hf_(?:user|runner)_[0-9a-f]{16}_[0-9a-f]{64}', ['hf_user_', 'hf_runner_']),
  startsWith('holdfast_turn', String.raw`hf_turn_[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]*){0,2}`, ['hf_turn_']),
  // RFC 7468, RFC 9580 (6.2): from the line that begins it, even where the end is missing; or the end alone.
  {
    name: 'private_key',
    keywords: ['private key'],
    pattern: RE2JS.compile(
      `-----BEGIN ${PEM_LABEL}(?:${BREAK}*(?:${PEM_LINE}|[A-Za-z-]{3,20}: [^\\r\\n\\\\]{1,}))+(?:${PEM_END})?` +
        `|(?:${PEM_LINE}${BREAK}+)+${PEM_END}`,
    ),
  },
  // https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
  startsWith('github_token', 'gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,}', [
    'ghp_',
    'gho_',
    'ghu_',
    'ghs_',
    'ghr_',
    'github_pat_',
  ]),
  // https://docs.gitlab.com/security/tokens/ (token prefixes)
  startsWith('gitlab_token', `(?:${GITLAB.join('|')})[A-Za-z0-9_.=-]{20,}`, GITLAB),
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html (unique id prefixes)
  startsWith('aws_access_key_id', `(?:AKIA|ASIA)[A-Z2-7]{16}`, ['akia', 'asia'], END),
  assigned('aws_secret_key', '(?:aws_?)?secret_?access_?key', '[A-Za-z0-9+/]{40}', ['accesskey', 'access_key']),
  assigned('aws_session_token', 'aws_?session_?token', '[A-Za-z0-9+/]{64,}={0,2}', ['sessiontoken', 'session_token']),
  // https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
  assigned('azure_storage_key', 'AccountKey', '[A-Za-z0-9+/]{86}==', ['accountkey']),
  // https://docs.slack.dev/authentication/tokens
  startsWith('slack_token', String.raw`xox[abcdeoprs](?:[.]xox[bp])?-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}`, [
    ...Array.from('abcdeoprs', (kind) => `xox${kind}-`),
    'xoxe.',
    'xapp-',
  ]),
  startsWith('slack_webhook', 'hooks[.]slack[.]com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,}', [
    'hooks.slack.com/',
  ]),
  // https://docs.stripe.com/keys; https://www.standardwebhooks.com (whsec_)
  startsWith('stripe_key', '[rs]k_(?:live|test)_[A-Za-z0-9]{16,}', ['k_live_', 'k_test_']),
  startsWith('webhook_secret', 'whsec_[A-Za-z0-9+/]{24,}={0,2}', ['whsec_']),
  // The keys that these providers of models hand out begin so.
  startsWith('anthropic_key', 'sk-ant-[a-z0-9]{1,20}-[A-Za-z0-9_-]{20,}', ['sk-ant-']),
  startsWith(
    'openai_key',
    'sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}|sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|sk-[A-Za-z0-9]{48}',
    ['sk-'],
  ),
  startsWith('openrouter_key', 'sk-or-v1-[0-9a-f]{64}', ['sk-or-']),
  startsWith('huggingface_token', 'hf_[A-Za-z0-9]{34,40}', ['hf_'], END),
  // https://docs.cloud.google.com/docs/authentication/api-keys; OAuth access tokens and client secrets
  startsWith('google_api_key', 'AIza[A-Za-z0-9_-]{35}', ['aiza'], END),
  startsWith('google_oauth', 'ya29[.][A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{28}', ['ya29.', 'gocspx-']),
  // Registries: https://github.blog/security/announcing-npms-new-access-token-format, https://pypi.org/help/#apitoken,
  // https://docs.docker.com/security/access-tokens
  startsWith('npm_token', 'npm_[A-Za-z0-9]{36}', ['npm_'], END),
  startsWith('pypi_token', 'pypi-AgE[A-Za-z0-9_-]{50,}', ['pypi-age']),
  startsWith('docker_token', 'dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,64}', ['dckr_']),
  startsWith('sendgrid_key', 'SG[.][A-Za-z0-9_-]{22}[.][A-Za-z0-9_-]{43}', ['sg.']),
  startsWith('digitalocean_token', 'do[opr]_v1_[0-9a-f]{64}', ['_v1_']),
  startsWith('vault_token', 'hv[sbr][.][A-Za-z0-9_-]{24,}', ['hvs.', 'hvb.', 'hvr.']),
  startsWith('age_key', 'AGE-SECRET-KEY-1[0-9A-Z]{58}', ['age-secret-key-']),
  // RFC 7519: header and claims are JSON objects, in base64url.
  startsWith('jwt', String.raw`eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}`, ['eyj']),
  // RFC 3986, 3.2.1: the password of a URL; a variable in its place is none.
  {
    name: 'url_password',
    keywords: ['://'],
    hint: /:\/\/[^\s/?#@"']{1,513}@/,
    pattern: RE2JS.compile(
      String.raw`[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/?#:@"']{0,128}:(?P<secret>[^\s/?#@"'$<\[{*][^\s/?#@"']{0,255})@`,
    ),
  },
  // RFC 9110, 11.6.2; after a scheme that is known whatever there is, else what has a digit.
  assigned('authorization', `authorization`, `${TOKEN}{6,}=*`, ['authorization'], {
    scheme: String.raw`(?:bearer|basic|token|negotiate|apikey|bot)\s{1,8}`,
  }),
  assigned('authorization', `authorization`, `${TOKEN}{16,}=*`, ['authorization'], { isSecret: hasDigit }),
  {
    name: 'bearer_token',
    keywords: ['bearer'],
    pattern: RE2JS.compile(String.raw`(?i)${START}bearer\s{1,8}(?P<secret>${TOKEN}{16,}=*)`),
    isSecret: hasDigit,
  },
  assigned('api_key_header', 'x-(?:goog-)?(?:api-key|auth-token)', `${TOKEN}{8,}=*`, [
    'x-api-key',
    'x-goog-',
    'x-auth-',
  ]),
];

function startsWith(name: string, secret: string, keywords: string[], end = ''): RedactionRule {
  return { name, keywords, pattern: RE2JS.compile(`${START}(?P<secret>${secret})${end}`) };
}

function assigned(
  name: string,
  to: string,
  secret: string,
  keywords: string[],
  { scheme = '', isSecret }: { scheme?: string; isSecret?: RedactionRule['isSecret'] } = {},
): RedactionRule {
  const pattern = RE2JS.compile(`(?i)${to}${ASSIGNS}${scheme}(?P<secret>${secret})`);
  return { name, keywords, pattern, ...(isSecret && { isSecret }) };
}

/** A word, a class or a path has none, as a rule; a token without one is rare. */
function hasDigit(text: string): boolean {
  return /[0-9]/.test(text);
}
