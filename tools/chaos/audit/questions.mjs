const REJECTED = 'Rejected: nothing was done.';
/** What the reference service says when it has its answer. */
const SAID = { 'I went on.': 'allow', 'I did not go on.': 'deny' };

/**
 * What a session's log tells of questions: `{ questions, problems }`. A question is `{ interaction_id, turn_id, epoch,
 * decision, isResolved, isClosed, done }`: `decision` is what was answered, `done` what its agent did on that.
 */
export function replayQuestions(events) {
  const turns = new Map();
  const questions = new Map();
  const problems = [];

  events.forEach(({ event: { type, turn_id, data } }, at) => {
    const problem = (what) => problems.push(`event ${at + 1} (${type} of ${turn_id}): ${what}`);
    if (type === 'turn.starting') turns.set(turn_id, data.epoch);
    else if (type === 'agent.update') return act(turn_id, data, problem);
    else if (ENDS_ATTEMPT.test(type)) turns.delete(turn_id);
    if (!type.startsWith('interaction.')) return;

    const { interaction_id } = data;
    const question = questions.get(interaction_id);
    if (type === 'interaction.requested') {
      if (question) return problem(`${interaction_id} is asked again`);
      const call = data.request.tool_call.toolCallId;
      questions.set(interaction_id, { interaction_id, turn_id, epoch: turns.get(turn_id), call });
      return;
    }
    if (!question) return problem(`nobody asked ${interaction_id}`);
    const isOpen = question.decision === undefined && !question.isClosed;
    if (type === 'interaction.resolved') {
      if (question.decision === undefined || question.isResolved) problem(`${interaction_id} has nothing to resolve`);
      question.isResolved = true;
      return;
    }
    if (!isOpen) problem(`${interaction_id} is open no longer`);
    if (type === 'interaction.cancelled') question.isClosed = true;
    else {
      if (turns.get(turn_id) !== question.epoch) problem(`${interaction_id} was asked by an attempt that is over`);
      question.decision = data.verdict.decision;
    }
  });

  /** Something that an agent does only once it has an answer. */
  function act(turn_id, update, problem) {
    const decision = decisionBehind(update);
    if (!decision) return;
    const epoch = turns.get(turn_id);
    const own = [...questions.values()].filter((question) => question.turn_id === turn_id && question.epoch === epoch);
    const question = update.toolCallId ? own.find(({ call }) => call === update.toolCallId) : own.at(-1);
    if (!question) return problem('it acts on an answer that was not given to this attempt');
    if (question.done) return problem(`it acts on ${question.interaction_id} again`);
    if (question.decision !== decision) {
      problem(`${question.interaction_id} was answered with ${question.decision}, and it acts on ${decision}`);
    }
    question.done = decision;
  }

  return { questions: [...questions.values()], problems };
}

const ENDS_ATTEMPT = /^turn\.(attempt_lost|handed_over|completed|failed|cancelled|superseded|paused|lost)$/;

function decisionBehind({ sessionUpdate, status, rawOutput, content }) {
  if (sessionUpdate === 'agent_message_chunk') return SAID[content.text];
  if (sessionUpdate !== 'tool_call_update') return undefined;
  if (status === 'completed') return 'allow';
  return status === 'failed' && rawOutput?.text === REJECTED ? 'deny' : undefined;
}

const questionsOf = (logs) =>
  [...logs].flatMap(([session_id, { events }]) =>
    replayQuestions(events).questions.map((question) => ({ session_id, ...question })),
  );

/** What must hold of questions and answers once all is quiet; as in checks.mjs. */
export const questionChecks = [
  {
    name: 'an answer that was accepted is the one that its question has',
    find({ interactions, logs }, { answers }) {
      const told = new Map(questionsOf(logs).map((question) => [question.interaction_id, question]));
      const accepted = answers.filter(({ answer }) => answer?.status < 300);
      return accepted.flatMap((one, index) => {
        const { session_id, interaction_id, decision } = one;
        const row = interactions.find(({ id }) => id === interaction_id);
        const isOnly = accepted.findIndex((other) => other.interaction_id === interaction_id) === index;
        const isKept = row?.verdict?.decision === decision && told.get(interaction_id)?.decision === decision;
        return isOnly && isKept
          ? []
          : [
              `${interaction_id} of ${session_id}, ${decision}${isOnly ? '' : ' (not the first)'}: ${JSON.stringify(row)}`,
            ];
      });
    },
  },
  {
    name: 'a question is answered or closed, once, while its attempt lasts; an agent acts on its own answers, once',
    find: ({ logs }) =>
      [...logs].flatMap(([session_id, { events }]) =>
        replayQuestions(events).problems.map((problem) => `${session_id}: ${problem}`),
      ),
  },
  {
    name: 'an answer reached the agent that asked, unless its attempt ended before',
    find: ({ logs }) =>
      questionsOf(logs).flatMap((question) => {
        const { session_id, turn_id, epoch, decision, done, isResolved } = question;
        const { attempts, stopReason } = logs.get(session_id).history.turns.get(turn_id);
        const isToReach = attempts.find((attempt) => attempt.epoch === epoch)?.end === 'completed' && !stopReason;
        if (!decision || !isToReach || (done && isResolved)) return [];
        return [`${session_id}: ${JSON.stringify(question)}`];
      }),
  },
  {
    name: 'no question waits for an answer when its turn is over, and rows of questions say what the log says',
    find({ interactions, logs }) {
      const told = new Map(questionsOf(logs).map((question) => [question.interaction_id, question]));
      const statusOf = ({ decision, isClosed, isResolved }) =>
        isClosed ? 'cancelled' : isResolved ? 'resolved' : decision ? 'responded' : 'pending';
      return [
        ...interactions.flatMap(({ id, session_id, status }) => {
          const question = told.get(id);
          told.delete(id);
          return question && status !== 'pending' && statusOf(question) === status
            ? []
            : [`${id} of ${session_id} is ${status} for ${JSON.stringify(question)}`];
        }),
        ...[...told.keys()].map((id) => `${id} has no row`),
      ];
    },
  },
];
