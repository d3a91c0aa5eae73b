export type SharerStatus = 'not_shared' | 'sharing' | 'shared' | 'stopping' | 'ended';

export type SharerEvent =
  | 'asked'
  | 'granted'
  /** The api refused or could not be reached: it is as it was before. */
  | 'refused'
  | 'stop_asked'
  /** The share is over, by this sharer or by anything else that ends it. */
  | 'ended';

/** What an event does that is not here: nothing. */
export const SHARER: Record<SharerStatus, Partial<Record<SharerEvent, SharerStatus>>> = {
  not_shared: { asked: 'sharing' },
  sharing: { granted: 'shared', refused: 'not_shared' },
  shared: { stop_asked: 'stopping', ended: 'ended' },
  stopping: { ended: 'ended', refused: 'shared' },
  ended: { asked: 'sharing' },
};
