// What looks at a tree in a page and in Node alike.
import { TaskTreeViewer, type SessionTask, type TreeTask } from '@holdfast/client';

/** What somebody who follows a tree was shown so far. */
export interface TreeView {
  status: string;
  /** As `taskLine` tells them, in the order of the tree. */
  tasks: string[];
  /** For each session all of its events, as `eventLine` tells them, in the order in which they came. */
  events: Record<string, string[]>;
  /** The sessions of agents, in the order in which they were shown. */
  materialised: string[];
  /** Where each event of the tree's activity stands in its log. */
  activity: string[];
  /** Kinds of news that nothing went well by. */
  troubles: string[];
  joins: number;
  /** Connections of watches that were made, and the most that were open at a time. */
  watches: number;
  watchesAtATime: number;
}

/** How far they have come. */
export interface Progress {
  status: string;
  tasks: number;
  /** For each session how many events of its agent were shown. */
  updates: Record<string, number>;
}

export const eventLine = ({ event, offset }: { event: object; offset: string }) => `${offset} ${JSON.stringify(event)}`;

export const taskLine = (task: TreeTask | SessionTask) =>
  [task.spawn_path.join('.'), task.task_id, task.parent_task_id, task.session_id, task.name, task.state].join(' ');

/** Follows the tree of a link, until it is left. */
export function viewTree(link: string) {
  const { counts, fetch } = countingFetch();
  const leaving = new AbortController();
  const viewer = new TaskTreeViewer({ link, fetch });
  const updates: Record<string, number> = {};
  const view = {
    events: {} as Record<string, string[]>,
    materialised: [] as string[],
    activity: [] as string[],
    troubles: [] as string[],
  };
  const done = (async () => {
    for await (const news of viewer.follow({ signal: leaving.signal })) {
      if (news.kind === 'event') {
        const { session_id, event } = news;
        (view.events[session_id] ??= []).push(eventLine(news));
        if (event.type === 'agent.update') updates[session_id] = (updates[session_id] ?? 0) + 1;
      } else if (news.kind === 'activity') view.activity.push(news.offset);
      else if (news.kind === 'materialise') view.materialised.push(news.session_id);
      else if (news.kind === 'gap' || news.kind === 'agent_failed') view.troubles.push(JSON.stringify(news));
    }
  })().catch((error: unknown) => void view.troubles.push(String(error)));
  return {
    progress: (): Progress => ({
      status: viewer.state.status,
      tasks: [...viewer.tree.walk()].length,
      updates,
    }),
    shown: (): TreeView => ({
      ...view,
      ...counts,
      status: viewer.state.status,
      tasks: [...viewer.tree.walk()].map(({ task }) => taskLine(task)),
    }),
    async leave(): Promise<void> {
      leaving.abort();
      await done;
    },
  };
}

/** A fetch that knows how many watches are open: from the request on until the answer has ended or nobody reads it. */
function countingFetch() {
  const counts = { joins: 0, watches: 0, watchesAtATime: 0 };
  let open = 0;
  const counting: typeof fetch = async (input, init) => {
    const { pathname } = new URL(String(input));
    if (pathname.endsWith('/participants/join')) counts.joins += 1;
    if (!pathname.endsWith('/streams/watch')) return fetch(input, init);
    counts.watches += 1;
    counts.watchesAtATime = Math.max(counts.watchesAtATime, ++open);
    let isOpen = true;
    const end = () => {
      if (isOpen) open -= 1;
      isOpen = false;
    };
    init?.signal?.addEventListener('abort', end, { once: true });
    try {
      const response = await fetch(input, init);
      return response.body ? new Response(toldWhenOver(response.body, end), response) : response;
    } catch (error) {
      end();
      throw error;
    }
  };
  return { counts, fetch: counting };
}

function toldWhenOver(body: ReadableStream<Uint8Array>, over: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        over();
        controller.close();
      } catch (error) {
        over();
        controller.error(error);
      }
    },
    cancel(reason) {
      over();
      return reader.cancel(reason);
    },
  });
}
