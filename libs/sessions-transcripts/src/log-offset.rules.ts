/** A place in a session's log as the wire names it, `%016d_%016d`: in byte order it is in log order. */
export function formatOffset(generation: number, position: number): string {
  return `${pad(generation)}_${pad(position)}`;
}

function pad(value: number): string {
  return String(value).padStart(16, '0');
}
