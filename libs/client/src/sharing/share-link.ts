export interface ShareLink {
  /** Where the api answers. */
  url: string;
  share_id: string;
  /** The credential: whoever has it may do what the share allows. It stands in the fragment, which no browser sends. */
  token: string;
}

const PATH = /^(.*)\/s\/([0-9a-f-]{36})\/?$/i;

/** The parts of a link `<api>/s/<share>#<token>`; undefined for other text. */
export function parseShareLink(text: string): ShareLink | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, host, pathname, hash } = new URL(text);
  const [, base, share_id] = PATH.exec(pathname) ?? [];
  const token = decodeURIComponent(hash.slice(1));
  if (!/^https?:$/.test(protocol) || share_id === undefined || !token.startsWith('hf_share_')) return undefined;
  return { url: `${protocol}//${host}${base}`, share_id, token };
}
