import { HoldfastClient } from '../holdfast-client.js';
import { systemClock, type Clock } from './clock.js';
import { LiveView, type FollowedAgents } from './live-view.js';
import { parseShareLink } from './share-link.js';

/** With whose credential: a link, or the token of a share or of a participant, or a key of the project. */
export type ViewerAccess = { link: string } | { url: string; credential: string };

export type ViewerOptions = ViewerAccess & {
  /** Otherwise the one that the share was made for. A key has to name one. */
  session_id?: string;
  /** Comes back as this participant. */
  participant_id?: string;
  /** What others are to call this viewer. */
  name?: string;
  /** Where to go on in each session, as `places` gave it; otherwise from its start. */
  offsets?: Readonly<Record<string, string>>;
  /** Told when the state, the role, the participants, the source or the tree has changed. */
  onChange?: () => void;
  fetch?: typeof fetch;
  clock?: Clock;
};

/** A client with the credential of a viewer, until it adopts one of its own. */
export function openAccess({ fetch, ...access }: ViewerAccess & { fetch?: typeof globalThis.fetch }) {
  const { url, credential } = accessOf(access);
  let token = credential;
  const client = new HoldfastClient({ url, apiKey: () => token, fetch });
  return { client, adopt: (own: string) => void (token = own), credential: () => token };
}

/** The view that a viewer stands on, and the client that it asks with: by its own credential once it has joined. */
export function openView(options: ViewerOptions, agents: FollowedAgents, chosen?: Iterable<string>) {
  const { client, adopt, credential } = openAccess(options);
  const { session_id, participant_id, name, offsets, clock = systemClock, onChange = () => undefined } = options;
  const parts = { client, clock, agents, chosen, session_id, participant_id, name, offsets, onChange };
  return { client, credential, view: new LiveView({ ...parts, onCredential: adopt }) };
}

function accessOf(access: ViewerAccess): { url: string; credential: string } {
  if (!('link' in access)) return access;
  const link = parseShareLink(access.link);
  if (!link) throw new TypeError('This is no link to a shared session: it has the form https://…/s/<share>#<token>.');
  return { url: link.url, credential: link.token };
}
