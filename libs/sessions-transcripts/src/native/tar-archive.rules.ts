/** The tape archive format of POSIX.1-2017 (pax): 512-byte blocks, a header before each file, two empty ones at the end. */
const BLOCK = 512;
const NAME_BYTES = 100;

/** One file of an archive; only the header is made here. */
export interface TarEntry {
  /** Relative, `/` between its parts. */
  name: string;
  bytes: number;
  modified_at: Date;
}

/** What comes before the content of a file. Names that do not fit, or are not ASCII, are told in a pax header before it. */
export function tarHeader(entry: TarEntry): Buffer {
  const isPlain = entry.name.length <= NAME_BYTES && /^[\x20-\x7e]*$/.test(entry.name);
  if (isPlain) return header(entry, '0');
  const pax = Buffer.from(paxRecord('path', entry.name));
  const short = Buffer.from(entry.name.replace(/[^\x20-\x7e]/g, '_'))
    .subarray(-NAME_BYTES)
    .toString();
  return Buffer.concat([
    header({ name: 'PaxHeader', bytes: pax.length, modified_at: entry.modified_at }, 'x'),
    pax,
    tarPadding(pax.length),
    header({ ...entry, name: short }, '0'),
  ]);
}

/** What comes after the content of a file of that size. */
export function tarPadding(bytes: number): Buffer {
  return Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);
}

export const TAR_END = Buffer.alloc(2 * BLOCK);

/** `<length> path=<name>\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function header({ name, bytes, modified_at }: TarEntry, type: '0' | 'x'): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, NAME_BYTES, 'latin1');
  block.write('0000600\0', 100, 'latin1');
  block.write('0000000\0', 108, 'latin1');
  block.write('0000000\0', 116, 'latin1');
  block.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  block.write(
    `${Math.floor(modified_at.getTime() / 1000)
      .toString(8)
      .padStart(11, '0')}\0`,
    136,
    'latin1',
  );
  block.write('        ', 148, 'latin1');
  block.write(type, 156, 'latin1');
  block.write('ustar\0' + '00', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
