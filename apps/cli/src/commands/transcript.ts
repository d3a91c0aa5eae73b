import { emptyPage, lines } from '../render/page.js';
import { recordLines } from '../render/transcript.js';
import type { Desk } from '../terminal/session-screen.js';

export interface TranscriptOptions {
  json?: boolean;
}

/** They stand together; everything else has room around it. */
const ONE_LINERS = new Set<string>(['tool_call', 'interaction']);

/** Prints a session's transcript, oldest record first. */
export async function transcript(desk: Desk, session_id: string, { json }: TranscriptOptions): Promise<void> {
  const { client, terminal, style } = desk;
  let shown = emptyPage;
  for (let cursor: string | undefined; ;) {
    const page = await client.transcripts.querySessionTranscripts({ SessionTranscriptQuery: { session_id, cursor } });
    for (const record of page.data) {
      const content = json ? [JSON.stringify(record)] : recordLines(record, style);
      if (content.length === 0) continue;
      const printed = lines(shown, content, { gap: !json && !ONE_LINERS.has(record.type) });
      terminal.write(printed.text);
      shown = printed.page;
    }
    if (page.next_cursor === null) {
      const isComplete = page.projected_offset >= page.tail_offset;
      if (!isComplete) process.stderr.write('The transcript is still being written; ask again in a moment.\n');
      return;
    }
    cursor = page.next_cursor;
  }
}
