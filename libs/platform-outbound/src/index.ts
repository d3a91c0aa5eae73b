export { checkedLookup, OutboundAddressRefused } from './checked-lookup.js';
export { judgeOutboundUrl, mayConnect } from './outbound-url.rules.js';
export type { OutboundReach, OutboundTarget } from './outbound-url.rules.js';
