import { writeWithPermission } from './file-writing.js';
import type { Turn } from './turn.js';

const plan = ['Read the prompt', 'Ask before writing a file', 'Answer'];
const file = 'hello-from-holdfast.md';
const wordMs = 12;
const pauseMs = 150;

/** What a prompt without directives plays: one of everything that a viewer can show, in about three seconds. */
export async function playDemo(turn: Turn, prompt: string): Promise<void> {
  const earlier = turn.conversation.exchanges.slice(0, -1);
  await turn.think(`The prompt has ${countOf(prompt.split(/\s+/).filter(Boolean).length, 'word')}. `);
  await turn.wait(pauseMs);
  await turn.think('No model is behind me, so I will show what a turn looks like instead of guessing an answer.');

  await turn.plan(plan, 0);
  await turn.sayWords("Hello! I am Holdfast's scripted agent. Let me read what you wrote.\n\n", wordMs);
  await turn.tool({ title: plan[0] as string, kind: 'read' }, async () => {
    await turn.wait(pauseMs);
    return `${countOf(prompt.length, 'character')}, ${countOf(earlier.length, 'earlier prompt')} in this session.`;
  });

  await turn.plan(plan, 1);
  await turn.sayWords(
    `I would like to leave a note in \`${file}\`. I wait for your answer, however long it takes.\n\n`,
    wordMs,
  );
  const permitted = await writeWithPermission(turn, file, `# Hello from Holdfast\n\nYou wrote:\n\n${quoted(prompt)}\n`);

  await turn.plan(plan, 2);
  const outcome = permitted ? `Thank you, \`${file}\` is there now.` : 'You said no, so I left your files alone.';
  await turn.sayWords(`${outcome} You wrote:\n\n`, wordMs);
  await turn.say(`${quoted(prompt)}\n\n`);
  const last = earlier.at(-1);
  if (last) await turn.say(`I also remember what you wrote before that:\n\n${quoted(last.prompt)}\n\n`);
  await turn.sayWords(
    'Every word of this turn is in the log of the session: close the viewer, come back, and it is still here. ' +
      'To steer me, write directives such as `[[stream:20:250]]` or `[[ask:Deploy to staging]]`.',
    wordMs,
  );
  await turn.plan(plan, 3);
}

/** As a Markdown quotation, at most 500 characters of it. */
function quoted(text: string): string {
  const shown = text.length > 500 ? `${text.slice(0, 500)} …` : text;
  return shown
    .split('\n')
    .map((line) => `> ${line}`)
    .join('\n');
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
