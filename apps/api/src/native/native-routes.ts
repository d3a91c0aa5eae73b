import { Injectable } from '@nestjs/common';
import type { ClosedPolicy } from '@holdfast/platform-auth';
import type { DirectRoute, DirectSession } from '@holdfast/platform-http';
import { NativeBodies } from './native-bodies.js';

const ROOT = '/v1/admin/sessions/transcripts/native/';
const PARTS = /^saves\/[^/]+\/parts$/;
/** What is not meant for viewers no share opens; which session it is, whoever serves the request finds out. */
const SESSION: DirectSession = {
  rule: { of: 'session', place: { in: 'handler' }, role: 'never' },
  reach: () => Promise.resolve(),
};
const POLICY: ClosedPolicy = { for: 'user-or-turn', permission: 'RUN_SESSIONS' };

/** Which requests for native transcripts have bodies that the framework is not to read or to hold. */
@Injectable()
export class NativeRoutes {
  private readonly parts: DirectRoute;
  private readonly content: DirectRoute;
  private readonly envelope: DirectRoute;

  constructor(bodies: NativeBodies) {
    this.parts = {
      name: `${ROOT}saves/:save_id/parts`,
      methods: { PUT: { policy: POLICY, session: SESSION, handle: (...args) => bodies.append(...args) } },
    };
    this.content = {
      name: `${ROOT}content`,
      methods: { GET: { policy: POLICY, session: SESSION, handle: (...args) => bodies.read(...args) } },
    };
    this.envelope = {
      name: `${ROOT}envelope`,
      methods: { PUT: { policy: POLICY, session: SESSION, handle: (...args) => bodies.setEnvelope(...args) } },
    };
  }

  get all(): DirectRoute[] {
    return [this.parts, this.content, this.envelope];
  }

  find(path: string): DirectRoute | undefined {
    if (!path.startsWith(ROOT)) return undefined;
    const rest = path.slice(ROOT.length);
    if (rest === 'content') return this.content;
    if (rest === 'envelope') return this.envelope;
    return PARTS.test(rest) ? this.parts : undefined;
  }
}
