/** What is on the screen already, as far as it decides what comes next. */
export interface Page {
  /** Line breaks at its end; 2 means an empty line. */
  readonly breaks: number;
  /** What the last line is still part of: streamed text of a kind, or the line of a tool call. */
  readonly open: string | undefined;
}

export const emptyPage: Page = { breaks: 2, open: undefined };

export interface Printed {
  page: Page;
  text: string;
}

/** Goes on with text of the kind `open`, or begins it after an empty line. */
export function stream(page: Page, open: string, words: string, paint: (text: string) => string): Printed {
  const isNew = page.open !== open;
  const body = isNew ? words.replace(/^\n+/, '') : words;
  if (!body) return { page, text: '' };
  const text = (isNew ? '\n'.repeat(Math.max(0, 2 - page.breaks)) : '') + paint(body);
  return { page: { breaks: breaksAfter(page, body), open }, text };
}

/** A line of its own. `gap` puts an empty line before it. */
export function line(
  page: Page,
  content: string,
  { gap = false, open }: { gap?: boolean; open?: string } = {},
): Printed {
  const before = '\n'.repeat(Math.max(0, (gap ? 2 : 1) - page.breaks));
  if (open) return { page: { breaks: 0, open }, text: before + content };
  return { page: { breaks: breaksAfter(page, `${content}\n`), open: undefined }, text: `${before}${content}\n` };
}

/** Goes on with the open line and ends it. */
export function endLine(content: string): Printed {
  return { page: { breaks: 1, open: undefined }, text: `${content}\n` };
}

export function lines(page: Page, contents: string[], options: { gap?: boolean } = {}): Printed {
  return line(page, contents.join('\n'), options);
}

function breaksAfter(page: Page, text: string): number {
  const trailing = /\n*$/.exec(text)?.[0].length ?? 0;
  return trailing === text.length ? page.breaks + trailing : trailing;
}
