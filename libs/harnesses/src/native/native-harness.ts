/** A machine's user as a harness sees it. */
export interface NativePlace {
  /** Read for HOME, CLAUDE_CONFIG_DIR, CODEX_HOME, XDG_DATA_HOME and the like; never for secrets. */
  env: Readonly<Record<string, string | undefined>>;
  /** The working directory of the conversation, absolute; it need not exist. */
  cwd: string;
  /** Where conversations of a harness with an `exchange` lie unpacked, absolute; needed for no other harness. */
  exchange?: string;
}

/** Where a chunk was captured: what paths inside it are relative to. All absolute, symbolic links resolved. */
export interface NativeOrigin {
  home: string;
  /** The harness's own folder, for example `~/.claude`. */
  root: string;
  cwd: string;
}

/** `lines` only ever grows, a changed past is a divergence; `whole` is replaced when its content differs. */
export type NativeMode = 'lines' | 'whole';

export interface LocatedFile {
  /** The role, the same on every machine: `main.jsonl`, `subagents/agent-x.jsonl`, `rollouts/<uuid>.jsonl` … */
  name: string;
  mode: NativeMode;
  /** Absolute. */
  path: string;
}

/** What must be known of a conversation to find a place for its files. */
export interface NativeConversation {
  /** The harness's own session id. */
  native_id: string;
  /** RFC 3339; null where it was never known, then now is used where a harness needs a time. */
  started_at: string | null;
}

export interface RecentConversation {
  native_id: string;
  modified_at: Date;
}

export interface NativeDescription {
  /** RFC 3339. */
  started_at: string | null;
  harness_version: string | null;
}

/** `deny`: what would be asked is refused. `bypass`: nothing is asked. `ask`: as `deny`, and the caller bridges by hooks. */
export type NativeApprovals = 'ask' | 'deny' | 'bypass';

export interface NativeCommandRequest {
  place: NativePlace;
  /** Null where the harness chooses its own (Codex on a fresh start). */
  native_id: string | null;
  /** Null for an interactive program in a person's terminal; else one turn is run without a terminal. */
  prompt: string | null;
  approvals: NativeApprovals;
  model: string | null;
}

/** A program to start, as data; nothing of it went through a shell. */
export interface NativeCommand {
  argv: [string, ...string[]];
  /** To be set beside the environment that the caller gives; holds no secrets. */
  env: Record<string, string>;
  /** What the program reads and then the end of file; null for a terminal, or nothing at all. */
  stdin: string | null;
  /** Configuration without which the command does not do its work; `merge` keeps what is there and adds to it. */
  files: NativeCommandFile[];
  /** For a person to copy into a POSIX shell: begins with `cd`, everything quoted. */
  display: string;
}

/** A JSON file that the program needs; keys of `merge` are set in it and the others left alone. */
export interface NativeCommandFile {
  path: string;
  merge: Record<string, unknown>;
  mode: number;
}

/** For a harness whose store is not files: it hands conversations out and takes them in by its own commands. */
export interface NativeExchange {
  /** Prints the conversation on stdout, which the caller gives to `unpack`. Exit code 0 is needed. */
  exportCommand(place: NativePlace, nativeId: string): NativeCommand;
  /** Writes what was printed as the conversation's files below `place.exchange`, where `locate` finds them. */
  unpack(place: NativePlace, nativeId: string, printed: Buffer): Promise<void>;
  /** Makes the file that the import command takes of the files below `place.exchange`. Returns its path. */
  pack(place: NativePlace, nativeId: string): Promise<string>;
  /**
   * To be run one after the other in the place's cwd, each with exit code 0. `isThere`: the program has the conversation
   * already, its export succeeded. An import adds and never takes away, so what is there is deleted first: what of it is
   * not stored anywhere must have been saved before.
   */
  importCommands(place: NativePlace, nativeId: string, packed: string, options: { isThere: boolean }): NativeCommand[];
}

/** What a look at a place remembers for the next look at it; made by the caller, filled by `locate`. */
export type LocateMemory = Map<string, string | null>;

/** The files and commands of one agent program. Pure: no I/O beyond the folders that the place names. */
export interface NativeHarness {
  name: string;
  /** The version's envelope shape that other systems know, beside `native`. */
  envelopeFormat: 'claude_code_cli' | 'codex_cli' | null;
  /** True for an id that this harness could have made; it becomes part of paths and command lines. */
  isNativeId(nativeId: string): boolean;
  origin(place: NativePlace): Promise<NativeOrigin>;
  /** The role of the file that holds the conversation itself. */
  mainName(nativeId: string): string;
  /** All files of a conversation that are there, main first; empty when the place does not know it. */
  locate(place: NativePlace, nativeId: string, memory?: LocateMemory): Promise<LocatedFile[]>;
  /** What the main file tells of its beginning and of the program that wrote it. */
  describe(mainPath: string): Promise<NativeDescription>;
  /**
   * Where a file must be written so that the program finds it: where the place already has it, else a computed path.
   * Throws UnsafeNativePath for a name that this harness has no place for.
   */
  targetPath(place: NativePlace, conversation: NativeConversation, name: string): Promise<string>;
  /**
   * Takes one line without its end, or the content of a whole file of one chunk, and puts placeholders for everything
   * that `relocate` changes. Answers with the same buffer where nothing is to change.
   */
  canonical(nativeId: string, name: string, from: NativeOrigin): (content: Buffer) => Buffer;
  /**
   * The same content as it must be at another place: the bytes of paths change, all others stay.
   * `mainPath` is where the main file lies there; null for the computed one.
   */
  relocate(
    nativeId: string,
    name: string,
    from: NativeOrigin,
    to: NativeOrigin,
    mainPath: string | null,
  ): (content: Buffer) => Buffer;
  /**
   * Prepares what the place has of a conversation for the program to go on with it, where the program would trip over its
   * own files. To be called before every resume, also after `rehydrate`; the canonical content stays. No process may
   * hold the conversation.
   */
  settle?(place: NativePlace, nativeId: string): Promise<void>;
  freshCommand(request: NativeCommandRequest): NativeCommand;
  /** Throws where `native_id` is null. */
  resumeCommand(request: NativeCommandRequest): NativeCommand;
  /** Ids of conversations (no children) that were started in the place's cwd at or after `since`: for a program that chooses its own. */
  startedSince?(place: NativePlace, since: Date): Promise<string[]>;
  /** Conversations of the place's cwd for a person to choose from, the one that was written last first. */
  recent?(place: NativePlace, limit: number): Promise<RecentConversation[]>;
  exchange?: NativeExchange;
}
