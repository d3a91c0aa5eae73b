import { Command, InvalidArgumentError } from 'commander';
import { answer, type AnswerOptions } from './commands/answer.js';
import { attach, type AttachOptions } from './commands/attach.js';
import { cancel, type CancelOptions } from './commands/cancel.js';
import { inbox, type InboxOptions } from './commands/inbox.js';
import { kill } from './commands/kill.js';
import { run, type RunOptions } from './commands/run.js';
import { sessions, type SessionsOptions } from './commands/sessions.js';
import { transcript, type TranscriptOptions } from './commands/transcript.js';
import { openDesk, type GlobalOptions } from './desk.js';
import type { Desk } from './terminal/session-screen.js';

const OFFSET = /^\d{16}_\d{16}$/;

/** The command line. `exit` is told the code that a command ends with. */
export function createProgram(exit: (code: number) => void): Command {
  const program = new Command('holdfast');
  const withDesk =
    <Args extends unknown[]>(act: (desk: Desk, ...args: Args) => Promise<number | void>) =>
    async (...args: [...Args, ...unknown[]]) =>
      exit((await act(openDesk(program.opts<GlobalOptions>()), ...(args as unknown as Args))) ?? 0);

  program
    .description('Runs agent sessions that outlive the terminal they were started from.')
    .option('--url <url>', 'the api to talk to')
    .option('--key <key>', 'the API key for it')
    .showHelpAfterError('(holdfast --help shows what there is)')
    .addHelpText('after', HELP);

  program
    .command('run')
    .description('start a turn and show it live')
    .argument('<prompt>', 'what the agent is asked')
    .option('--session <id>', 'go on with this session, or make it under this id')
    .option('--agent <name>', 'the agent to run; otherwise the one that the session ran last')
    .option('--queue', 'while a turn is live, let the prompt wait for its end')
    .option('--steer', 'while a turn is live, put the prompt in its place')
    .option('--detach', 'only start it, and print the id of the session')
    .action(withDesk<[string, RunOptions]>(run));
  program
    .command('attach')
    .description('show a session from where this machine last showed it')
    .argument('<session>')
    .option('--from <place>', 'start, now, or an offset', place)
    .action(withDesk<[string, AttachOptions]>(attach));
  program
    .command('answer')
    .description("answer an agent's question from another terminal")
    .argument('<interaction>', 'the id of the question')
    .argument('<decision>', 'allow, deny or always')
    .option('--message <text>', 'what to say with it')
    .action(withDesk<[string, string, AnswerOptions]>(answer));
  program
    .command('cancel')
    .description('end the live turn of a session; the session stays')
    .argument('<session>')
    .option('--turn <turn>', 'this one, and none that took its place')
    .action(withDesk<[string, CancelOptions]>(cancel));
  program
    .command('kill')
    .description('end the live turn and withdraw what waits, whether its runner answers or not; the session stays')
    .argument('<session>')
    .action(withDesk<[string]>(kill));
  program
    .command('inbox')
    .description('list the prompts that wait in a session, the next one first')
    .argument('<session>')
    .option('--withdraw <turn>', 'take this one out instead')
    .action(withDesk<[string, InboxOptions]>(inbox));
  program
    .command('sessions')
    .description('list sessions, the newest first')
    .option('--limit <count>', 'how many', count, 20)
    .option('--json', 'one JSON object a line')
    .action(withDesk<[SessionsOptions]>(sessions));
  program
    .command('transcript')
    .description('print what was said and done in a session')
    .argument('<session>')
    .option('--json', 'one JSON object a line')
    .action(withDesk<[string, TranscriptOptions]>(transcript));
  return program;
}

const HELP = `
Which api: --url and --key, else .holdfast/endpoint.json in this folder or above it (npm start writes it), else
HOLDFAST_URL and HOLDFAST_API_KEY.

Ctrl-C leaves a turn running. The exit code is 0 when the turn completed, 1 when it failed or was lost, and 130 when it
was cancelled or you left.

Examples:
  holdfast run "Show me what you can do"
  holdfast run "And now in French" --session run-20261121-k3v9qd
  holdfast run "Fix the failing test" --agent claude --detach
  holdfast run "Then tidy up" --session run-20261121-k3v9qd --queue
  holdfast attach run-20261121-k3v9qd
  holdfast transcript run-20261121-k3v9qd --json`;

function place(text: string): string {
  if (text === 'start' || text === 'now' || OFFSET.test(text)) return text;
  throw new InvalidArgumentError('It must be start, now, or an offset such as 0000000000000001_0000000000000042.');
}

function count(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 200) return number;
  throw new InvalidArgumentError('It must be a whole number from 1 to 200.');
}
