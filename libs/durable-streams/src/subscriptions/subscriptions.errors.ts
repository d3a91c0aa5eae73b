import { defineError } from '@holdfast/platform-errors';

/** The protocol's own form of a refusal; our problem bodies carry it as a member (Durable Streams, section 7). */
const protocol = (code: string, more: object = {}) => ({ error: { code, ...more } });

/** A subscription of another project does not exist either. */
export const SubscriptionNotFound = defineError<{ subscription_id: string }>({
  code: 'subscription_not_found',
  kind: 'not-found',
  title: 'Subscription not found',
  detail: ({ subscription_id }) => `There is no subscription "${subscription_id}" in this project.`,
  members: () => protocol('SUBSCRIPTION_NOT_FOUND'),
});

export const SubscriptionExists = defineError<{ subscription_id: string }>({
  code: 'subscription_exists',
  kind: 'conflict',
  title: 'Subscription exists',
  detail: ({ subscription_id }) =>
    `Subscription "${subscription_id}" exists with another configuration. Delete it first, or use another id.`,
  members: () => protocol('SUBSCRIPTION_ALREADY_EXISTS'),
});

export const SubscriptionInvalid = defineError<{ reason: string }>({
  code: 'subscription_invalid',
  kind: 'invalid',
  title: 'Subscription invalid',
  detail: ({ reason }) => reason,
  members: () => protocol('INVALID_REQUEST'),
});

export const WebhookUrlRejected = defineError<{ reason: string }>({
  code: 'webhook_url_rejected',
  kind: 'invalid',
  title: 'Webhook URL rejected',
  detail: ({ reason }) => reason,
  members: () => protocol('WEBHOOK_URL_REJECTED'),
});

export const TooManySubscriptions = defineError<{ limit: number }>({
  code: 'too_many_subscriptions',
  kind: 'rate-limited',
  title: 'Too many subscriptions',
  detail: ({ limit }) => `A project may have ${limit} subscriptions. Delete one first.`,
  members: ({ limit }) => ({ limit }),
});

export const TooManySubscribedStreams = defineError<{ limit: number }>({
  code: 'too_many_subscribed_streams',
  kind: 'too-large',
  title: 'Too many subscribed streams',
  detail: ({ limit }) => `This would link more than ${limit} streams to one subscription. Use a narrower one.`,
  members: ({ limit }) => ({ limit }),
});

/** Missing, malformed, forged, or of a subscription that was deleted since and made again. */
export const WakeTokenInvalid = defineError({
  code: 'wake_token_invalid',
  kind: 'unauthenticated',
  title: 'Wake token invalid',
  detail: () => 'Send the token of the wake or claim as "Authorization: Bearer <token>".',
  members: () => protocol('TOKEN_INVALID'),
});

/** The wake is over: finished, released, or its lease ran out. */
export const WakeFenced = defineError<{ generation: number }>({
  code: 'wake_fenced',
  kind: 'conflict',
  title: 'Wake fenced',
  detail: ({ generation }) =>
    `This wake is over; the subscription is at generation ${generation}. Nothing was acknowledged. Stop working for it.`,
  members: ({ generation }) => ({ ...protocol('FENCED'), generation }),
});

export const WakeAlreadyClaimed = defineError<{ holder: string; generation: number }>({
  code: 'wake_already_claimed',
  kind: 'conflict',
  title: 'Wake already claimed',
  detail: ({ holder }) => `Worker "${holder}" holds the lease. Try again with the next wake.`,
  members: ({ holder, generation }) => protocol('ALREADY_CLAIMED', { current_holder: holder, generation }),
});

export const NoPendingWork = defineError({
  code: 'no_pending_work',
  kind: 'conflict',
  title: 'No pending work',
  detail: () => 'Everything in the streams of this subscription was acknowledged.',
  members: () => protocol('NO_PENDING_WORK'),
});

export const AckRefused = defineError<{ stream: string; reason: string }>({
  code: 'ack_refused',
  kind: 'conflict',
  title: 'Acknowledgement refused',
  detail: ({ stream, reason }) =>
    `The offset for stream "${stream.slice(0, 400)}" ${reason}. Nothing was acknowledged.`,
  members: ({ stream }) => ({ ...protocol('INVALID_OFFSET'), stream }),
});
