const STEPS = ['KiB', 'MiB', 'GiB'];

/** For example `512 bytes`, `3.4 MiB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return countText(bytes, 'byte');
  let size = bytes / 1024;
  let step = 0;
  for (; size >= 1024 && step < STEPS.length - 1; step++) size /= 1024;
  return `${size.toFixed(1)} ${STEPS[step]}`;
}

/** For example `1 line`, `12 lines`. */
export function countText(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
