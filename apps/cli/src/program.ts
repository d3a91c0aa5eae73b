import { Command, InvalidArgumentError, Option } from 'commander';
import { answer, type AnswerOptions } from './commands/answer.js';
import { archive, type ArchiveOptions } from './commands/archive.js';
import { attach, type AttachOptions } from './commands/attach.js';
import { cancel, type CancelOptions } from './commands/cancel.js';
import { deleteSession, type DeleteOptions } from './commands/delete.js';
import { inbox, type InboxOptions } from './commands/inbox.js';
import { kill } from './commands/kill.js';
import { pull, type PullOptions } from './commands/pull.js';
import { push, type PushOptions } from './commands/push.js';
import { run, type RunOptions } from './commands/run.js';
import { runLocal } from './commands/run-local.js';
import { sessions, type SessionsOptions } from './commands/sessions.js';
import { share, type ShareOptions } from './commands/share.js';
import { tasks, type TasksOptions } from './commands/tasks.js';
import { transcript, type TranscriptOptions } from './commands/transcript.js';
import { watch, type WatchOptions } from './commands/watch.js';
import { localMachine, openDesk, openScreen, type GlobalOptions } from './desk.js';
import { DETACHED } from './commands/detach.js';
import { durationSeconds } from './duration.js';
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
    .option('--local', 'run it on this machine, for your key alone to see; stays until all that runs here has ended')
    .option('--cwd <folder>', 'with --local: the folder whose files it works on; otherwise this one')
    .addHelpText('after', RUN_HELP)
    .action(
      withDesk<[string, RunOptions]>((desk, prompt, options) =>
        options.local
          ? runLocal(desk, localMachine(program.opts<GlobalOptions>()), prompt, options)
          : run(desk, prompt, options),
      ),
    );
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
    .command('archive')
    .description('put a session away: what it runs ends, it can be read, and takes no prompt')
    .argument('<session>')
    .option('--undo', 'let it take prompts again')
    .action(withDesk<[string, ArchiveOptions]>(archive));
  program
    .command('delete')
    .description('delete a session, with its log, transcript and conversations, for good')
    .argument('<session>')
    .option('--yes', 'without it nothing is deleted')
    .action(withDesk<[string, DeleteOptions]>(deleteSession));
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
    .option('--archived', 'those that were put away instead')
    .option('--json', 'one JSON object a line')
    .action(withDesk<[SessionsOptions]>(sessions));
  program
    .command('transcript')
    .description('print what was said and done in a session')
    .argument('<session>')
    .option('--json', 'one JSON object a line')
    .action(withDesk<[string, TranscriptOptions]>(transcript));
  program
    .command('share')
    .description('let others look at a session, or drive it: prints a link that opens it without a key')
    .argument('<session>')
    .option('--tree', 'with all agents that it has started and will start, at any depth')
    .addOption(
      new Option('--role <role>', 'reader looks; executor also sends prompts and answers; full also kills and shares')
        .choices(['reader', 'executor', 'full'])
        .default('reader'),
    )
    .option(
      '--expires <when>',
      'after a time such as 90s, 30m, 12h or 7d, or at a time such as 2027-01-31T12:00:00Z',
      expiry,
    )
    .option('--name <text>', 'what you call this share')
    .option('--list', 'list the shares of the session instead')
    .option('--revoke <share>', 'end this share instead; whoever looks in through it is out at once')
    .option('--json', 'JSON instead of text')
    .addHelpText('after', SHARE_HELP)
    .action(withDesk<[string, ShareOptions]>(share));
  program
    .command('watch')
    .description('show a session live, by a link or by its id')
    .argument('<link or session>')
    .option('--tree', 'what its agents are at, and what they tell each other, instead of its own words')
    .option('--agent <name>', 'the agent of its tree that has this name or task id, instead of its own words')
    .option('--name <text>', 'what others who look at the session are to call you')
    .addHelpText('after', WATCH_HELP)
    .action(async (target: string, options: WatchOptions) =>
      exit(await watch(openScreen(), program.opts<GlobalOptions>(), target, options)),
    );
  program
    .command('tasks')
    .description('show the tree of agents that a session has started, by its id or by a link')
    .argument('<link or session>')
    .option('--follow', 'then show every change')
    .option('--json', 'one JSON object a line: each agent as it is, and with --follow each that has changed')
    .action(async (target: string, options: TasksOptions) =>
      exit(await tasks(openScreen(), program.opts<GlobalOptions>(), target, options)),
    );
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

const RUN_HELP = `
With --local this machine's runner hosts the agent, for this session alone; it needs a runner key (HOLDFAST_RUNNER_KEY, or
the one in .holdfast/endpoint.json). The agent works with your rights on the files of this folder, or of --cwd; what it
starts ends with its turn. Agents that it starts as "local" work here and in the same folder, and the command stays until
all of them have ended. Nobody but your key sees the session until you share it. To go on, here or in another folder of
this machine: --local --session. The conversation comes along, the files do not.

Ctrl-C leaves the turn running; with --local it cancels the turn and the agents that it has started, and a second one
leaves at once. However the command ends, nothing runs here afterwards. What nobody cancelled, as where it was killed, goes
on with the next --local run of that session within ten minutes.

Examples:
  holdfast run "Show me what you can do"
  holdfast run "Fix the failing test" --agent claude --local
  holdfast run "And the next one" --local --session run-20261121-k3v9qd --cwd ~/code/kitchen`;

const SHARE_HELP = `
Whoever has the link can do what the role allows until it expires or is revoked, and see all that was said and done in
the session. The part behind # is the secret; it is shown this once.

Examples:
  holdfast share kitchen
  holdfast share kitchen --tree --role executor --expires 12h
  holdfast share kitchen --list
  holdfast share kitchen --revoke 0191d6a0-5d3c-7c3e-9a41-0c2b7f0e9d11`;

const WATCH_HELP = `
A link needs no key. The view goes on by itself after failures of the network, and ends with the share or with Ctrl-C,
which ends nothing else. The exit code is 0 when the view has ended, 130 when you left, and 1 when it failed.

Examples:
  holdfast watch 'https://holdfast.example/s/0191d6a0-5d3c-7c3e-9a41-0c2b7f0e9d11#hf_share_…'
  holdfast watch kitchen --tree
  holdfast watch kitchen --agent Scout`;

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

function expiry(text: string): NonNullable<ShareOptions['expires']> {
  const expires_in_seconds = durationSeconds(text);
  if (expires_in_seconds !== undefined) return { expires_in_seconds };
  if (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(Date.parse(text))) return { expires_at: new Date(text) };
  throw new InvalidArgumentError('It must be a time such as 90s, 30m, 12h, 7d or 2027-01-31T12:00:00Z.');
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
