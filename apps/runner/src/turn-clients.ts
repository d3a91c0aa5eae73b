import { HoldfastClient, type SessionTurnGrant } from '@holdfast/client';
import { ControlPlaneRefusal, type BeatAnswer, type TurnKey } from './control-plane.js';

/** Which attempt of which turn; an epoch is of one attempt only. */
type Attempt = Pick<TurnKey, 'turn_id' | 'epoch'>;

interface HostedAttempt {
  credential: string;
  client: HoldfastClient;
  log: string;
  isBeating: boolean;
}

/**
 * The api under the credential of each turn. A turn outlives its credentials, so every request reads the one of that
 * moment, and whoever writes for the turn keeps none.
 */
export class TurnClients {
  private readonly attempts = new Map<string, HostedAttempt>();
  /** Those of `attempts` by log and epoch, which is all that an append names. */
  private readonly byLog = new Map<string, string>();

  constructor(private readonly url: string) {}

  granted({ log_path, turn_id, epoch, credential }: SessionTurnGrant): void {
    const attempt: HostedAttempt = {
      credential,
      client: new HoldfastClient({ url: this.url, apiKey: () => attempt.credential }),
      log: nameOf(log_path, epoch),
      isBeating: false,
    };
    this.attempts.set(nameOf(turn_id, epoch), attempt);
    this.byLog.set(attempt.log, nameOf(turn_id, epoch));
  }

  /** Takes up what the answers to a beat brought. A turn that was beaten for and is so no longer is over. */
  beaten(beats: readonly Attempt[], answers: BeatAnswer['turns']): void {
    for (const { turn_id, epoch, credential } of answers) {
      const attempt = this.attempts.get(nameOf(turn_id, epoch));
      if (attempt && credential) attempt.credential = credential;
    }
    const beating = new Set(beats.map(({ turn_id, epoch }) => nameOf(turn_id, epoch)));
    for (const [name, attempt] of this.attempts) {
      if (attempt.isBeating && !beating.has(name)) this.remove(name);
      else attempt.isBeating = beating.has(name);
    }
  }

  /** Nothing more is written for that attempt. */
  forget({ turn_id, epoch }: Attempt): void {
    this.remove(nameOf(turn_id, epoch));
  }

  of({ turn_id, epoch }: Attempt): HoldfastClient {
    return this.attempt(nameOf(turn_id, epoch)).client;
  }

  ofLog(log_path: string, epoch: number): HoldfastClient {
    return this.attempt(this.byLog.get(nameOf(log_path, epoch)) ?? '').client;
  }

  private remove(name: string): void {
    this.byLog.delete(this.attempts.get(name)?.log ?? '');
    this.attempts.delete(name);
  }

  /** Writing under another credential would only hide that this one is gone. */
  private attempt(name: string) {
    const attempt = this.attempts.get(name);
    if (attempt) return attempt;
    throw new ControlPlaneRefusal(401, 'turn_credential_missing', 'This runner has no credential for that attempt.');
  }
}

const nameOf = (thing: string | null, epoch: number | null) => `${thing} ${epoch}`;
