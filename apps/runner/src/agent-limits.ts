/** What one turn's agent may use, together with all that it starts. */
export interface AgentLimits {
  processes: number;
  memoryMib: number;
  /** Of stdout and stderr, from the agent's start to its end. */
  outputMib: number;
  /** Without the time in which it waits for a person's answer. */
  turnMinutes: number;
}

/** A limit that an agent went over. */
export interface Exceeded {
  limit: keyof AgentLimits;
  allowed: number;
  /** What it used when it was caught. */
  used: number;
}

/** The code and message of a turn whose agent was ended for going over a limit. */
export function describeExceeded({ limit, allowed, used }: Exceeded): { code: string; message: string } {
  switch (limit) {
    case 'processes':
      return {
        code: 'agent_process_limit',
        message:
          `The agent was ended because it and what it started were ${used} processes; the limit is ${allowed}. ` +
          'Have it run less at once, or raise HOLDFAST_MAX_PROCESSES on the runner.',
      };
    case 'memoryMib':
      return {
        code: 'agent_memory_limit',
        message:
          `The agent was ended because it and what it started used ${used} MiB of memory; the limit is ${allowed} MiB. ` +
          'Have it run less at once, or raise HOLDFAST_MAX_MEMORY_MIB on the runner.',
      };
    case 'outputMib':
      return {
        code: 'agent_output_limit',
        message:
          `The agent was ended because it wrote more than the limit of ${allowed} MiB. What it reported is in the log, ` +
          'what it wrote to stderr is not. Divide the work among several turns, or raise HOLDFAST_MAX_OUTPUT_MIB on the runner.',
      };
    case 'turnMinutes':
      return {
        code: 'agent_time_limit',
        message:
          `The agent was ended because it worked for longer than the limit of ${allowed} minutes. ` +
          'Go on with a new turn of this session, or raise HOLDFAST_MAX_TURN_MINUTES on the runner.',
      };
  }
}
