import { Logger } from '@nestjs/common';

/** A listener under an identity of its own, so that one function may be subscribed twice. */
interface Subscription {
  listener: (payload: string) => void;
}

/** Who in this process listens to what. */
export class SignalListeners {
  private readonly logger = new Logger('Signals');
  private readonly byChannel = new Map<string, Set<Subscription>>();
  private readonly gaps = new Set<{ listener: () => void }>();

  /** Returns how to remove it, which tells whether it was the channel's last. */
  add(channel: string, listener: (payload: string) => void): () => boolean {
    const subscription = { listener };
    const subscriptions = this.byChannel.get(channel) ?? new Set();
    this.byChannel.set(channel, subscriptions.add(subscription));
    return () => {
      if (!subscriptions.delete(subscription) || subscriptions.size > 0) return false;
      return this.byChannel.delete(channel);
    };
  }

  addGap(listener: () => void): () => void {
    const gap = { listener };
    this.gaps.add(gap);
    return () => void this.gaps.delete(gap);
  }

  channels(): string[] {
    return [...this.byChannel.keys()];
  }

  deliver(channel: string, payload: string): void {
    for (const { listener } of this.byChannel.get(channel) ?? []) this.call(() => listener(payload));
  }

  announceGap(): void {
    for (const { listener } of this.gaps) this.call(listener);
  }

  /** One listener's error must not keep a signal from the others. */
  private call(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.logger.error({ event: 'signals.listener_failed', err: error });
    }
  }
}
