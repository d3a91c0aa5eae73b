import { Command, InvalidArgumentError, Option } from 'commander';
import { answer, type AnswerOptions } from './commands/answer.js';
import { attach, type AttachOptions } from './commands/attach.js';
import { cancel, type CancelOptions } from './commands/cancel.js';
import { inbox, type InboxOptions } from './commands/inbox.js';
import { kill } from './commands/kill.js';
import { pull, type PullOptions } from './commands/pull.js';
import { push, type PushOptions } from './commands/push.js';
import { run, type RunOptions } from './commands/run.js';
import { sessions, type SessionsOptions } from './commands/sessions.js';
import { transcript, type TranscriptOptions } from './commands/transcript.js';
import { openDesk, type GlobalOptions } from './desk.js';
import { DETACHED } from './commands/detach.js';
import { failureCode, failureExitCode } from './failure.js';
import { PROGRAMS } from './native/programs.js';
import { onInterrupt } from './terminal/interrupts.js';
import type { Desk } from './terminal/session-screen.js';
import { UsageError } from './usage-error.js';

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
    .option('--fresh', 'begin a new conversation: the agent learns nothing of the turns before')
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
  program
    .command('push')
    .description("take a conversation of this machine's agent program up into a session, or what is new of it")
    .addOption(new Option('--harness <program>', 'whose conversation it is').choices(PROGRAMS).makeOptionMandatory())
    .requiredOption('--session <id>', 'the session that it belongs to; made if it is not there')
    .option('--native-id <id>', "the program's own id of it; without it the newest ones are shown")
    .option('--cwd <folder>', 'the folder that it works in; otherwise this one')
    .option('--json', 'one JSON object')
    .addHelpText('after', PUSH_HELP)
    .action(
      withDesk<[PushOptions]>((desk, options) =>
        transfer(desk, options, exit, (signal) => push(desk, options, signal)),
      ),
    );
  program
    .command('pull')
    .description("put a session's conversation into this machine's home, for its agent program to go on with")
    .argument('<session>')
    .option('--cwd <folder>', 'the folder in which it is to go on; otherwise this one')
    .option('--branch <id>', 'another branch than the one that turns go on with; its first characters are enough')
    .option('--version <number>', 'another version than the newest one', versionNumber)
    .addOption(new Option('--harness <program>', 'the newest conversation of this program').choices(PROGRAMS))
    .option('--overwrite', 'where this machine has something else, copy that aside and replace it')
    .option('--json', 'one JSON object')
    .addHelpText('after', PULL_HELP)
    .action(
      withDesk<[string, PullOptions]>((desk, session, options) =>
        transfer(desk, options, exit, (signal) => pull(desk, session, options, signal)),
      ),
    );
  return program;
}

/** With --json a failure is told as an object too, beside the text on stderr. Gives the exit code. */
async function transfer(
  { terminal }: Desk,
  { json }: { json?: boolean },
  exit: (code: number) => void,
  act: (signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const { signal, stop } = onInterrupt();
  try {
    await act(signal);
    return 0;
  } catch (error) {
    const failure = signal.aborted
      ? new UsageError('Interrupted. Run it again: it goes on with what is missing.', DETACHED)
      : error;
    // Before the write: whoever reads it may have gone, which ends the program.
    exit(failureExitCode(failure));
    const told = { result: 'failed', code: failureCode(failure), message: (failure as Error).message };
    if (json) terminal.write(`${JSON.stringify(told)}\n`);
    throw failure;
  } finally {
    stop();
  }
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
  holdfast transcript run-20261121-k3v9qd --json
  holdfast pull run-20261121-k3v9qd
  holdfast push --harness claude --session run-20261121-k3v9qd`;

const PUSH_HELP = `
Only what is new is sent: pushing twice sends nothing the second time. Where the past of the conversation is another one
than what is stored, it becomes a branch; nothing is merged, and turns of the session go on with what they went on with.
While a turn of the session is live, nothing can be pushed.

Conversations are looked for where the program keeps them: HOME, and CODEX_HOME, CLAUDE_CONFIG_DIR, GEMINI_CLI_HOME or
XDG_DATA_HOME. opencode itself must be on the PATH. They hold all that was said and done, secrets among it.

The exit code is 0 when all that this machine has is stored, 1 when anything failed, and 2 when --native-id is missing.

Examples:
  holdfast push --harness claude --session kitchen
  holdfast push --harness claude --session kitchen --native-id 5f2b8c1e-0f6a-4c55-9d3e-6c1d5a1f8e22
  holdfast push --harness codex --session kitchen --native-id 019bc0ab-2410-7c3e-8f21-5b6d7e8f9a01 --cwd ~/code --json
  holdfast run "Go on with it" --session kitchen --agent claude`;

const PULL_HELP = `
Then the program goes on with it by the command that is printed. Nothing is overwritten that is stored nowhere: where
this machine is ahead of the session, that is said and it stays as it is; where it went another way, push it first, which
makes it a branch, or say --overwrite. Quit the program before: it may hold the conversation open.

The exit code is 0 when this machine has all of that version, and 1 otherwise.

Examples:
  holdfast pull kitchen
  holdfast pull kitchen --cwd ~/code/kitchen
  holdfast pull kitchen --branch 3f0c --json
  holdfast pull kitchen --version 7 --overwrite`;

function place(text: string): string {
  if (text === 'start' || text === 'now' || OFFSET.test(text)) return text;
  throw new InvalidArgumentError('It must be start, now, or an offset such as 0000000000000001_0000000000000042.');
}

function versionNumber(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new InvalidArgumentError('It must be a whole number from 1 on.');
}

function count(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 200) return number;
  throw new InvalidArgumentError('It must be a whole number from 1 to 200.');
}
