import { judgeOutboundUrl, type OutboundTarget } from '@holdfast/platform-outbound';
import { WebhookUrlRejected } from './subscriptions.errors.js';

/**
 * What may be called (Durable Streams, section 12.8): `https://` anywhere in the Internet, and with `allowLoopback`
 * `http://localhost` and `http://127.0.0.0/8`. Errors: webhook_url_rejected.
 */
export function parseWebhookUrl(text: string, { allowLoopback }: { allowLoopback: boolean }): OutboundTarget {
  const judged = judgeOutboundUrl(text, allowLoopback ? 'loopback' : 'public');
  if ('refused' in judged) throw WebhookUrlRejected({ reason: `A webhook URL ${judged.refused}.` });
  return judged;
}
