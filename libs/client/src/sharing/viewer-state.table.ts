export type ViewerStatus = 'joining' | 'catching_up' | 'live' | 'reconnecting' | 'ended' | 'failed';

export type ViewerEvent =
  | 'joined'
  /** All that was there when the viewer joined has been given. */
  | 'caught_up'
  /** The connection is gone; another one is tried. */
  | 'connection_lost'
  | 'connected'
  /** What is viewed is over for this viewer: its share ended, its session is gone, it left. */
  | 'ended'
  /** Refused, and waiting would not help. */
  | 'refused'
  /** The viewer goes on with another session. */
  | 'moved';

/** `back`: to what it was before the connection was lost. What an event does that is not here: nothing. */
export const VIEWER: Record<ViewerStatus, Partial<Record<ViewerEvent, ViewerStatus | 'back'>>> = {
  joining: { joined: 'catching_up', ended: 'ended', refused: 'failed' },
  catching_up: {
    caught_up: 'live',
    connection_lost: 'reconnecting',
    ended: 'ended',
    refused: 'failed',
    moved: 'catching_up',
  },
  live: { connection_lost: 'reconnecting', ended: 'ended', refused: 'failed', moved: 'catching_up' },
  reconnecting: { connected: 'back', ended: 'ended', refused: 'failed', moved: 'catching_up' },
  ended: { moved: 'catching_up' },
  failed: {},
};
