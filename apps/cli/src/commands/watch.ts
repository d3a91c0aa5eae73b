import { SessionViewer, TaskTreeViewer, type TreeTask, type ViewerState, type ViewNews } from '@holdfast/client';
import type { GlobalOptions } from '../desk.js';
import { line } from '../render/page.js';
import { oneLine } from '../render/printable.js';
import { emptyView, showEvent, showNote, type Shown } from '../render/session-view.js';
import { messageLine, taskLine } from '../render/tree-change.js';
import { onInterrupt } from '../terminal/interrupts.js';
import type { Screen } from '../terminal/session-screen.js';
import { DETACHED } from './detach.js';
import { leaveView } from './leave-view.js';
import { accessTo, failureOf } from './view-access.js';

export interface WatchOptions {
  tree?: boolean;
  agent?: string;
  name?: string;
}

/** Shows a session, an agent of its tree or the changes of the tree, live, until that ends. Gives the exit code. */
export async function watch(
  screen: Screen,
  global: GlobalOptions,
  target: string,
  { tree, agent, name }: WatchOptions,
): Promise<number> {
  const access = { ...accessTo(target, global), name };
  const interrupt = onInterrupt();
  const page = new WatchPage(screen);
  try {
    const viewer =
      tree || agent !== undefined
        ? new TaskTreeViewer({ ...access, agents: [], onChange: () => page.tell(viewer.state) })
        : new SessionViewer({ ...access, onChange: () => page.tell(viewer.state) });
    const show =
      viewer instanceof SessionViewer
        ? (news: ViewNews) => page.event(news)
        : agent === undefined
          ? (news: ViewNews) => page.change(news, viewer)
          : agentShower(page, viewer, agent);
    if (agent !== undefined) page.awaits(agent);
    for await (const news of viewer.follow({ signal: interrupt.signal })) show(news);
    if (!interrupt.signal.aborted) return 0;
    await leaveView(viewer);
    return DETACHED;
  } catch (error) {
    throw failureOf(error, access);
  } finally {
    interrupt.stop();
  }
}

/** Shows the one agent that has the name, as soon as it is there. */
function agentShower(page: WatchPage, viewer: TaskTreeViewer, wanted: string): (news: ViewNews) => void {
  let chosen: TreeTask | undefined;
  return (news) => {
    if (news.kind === 'task_appeared' && isNamed(news.task, wanted)) {
      if (chosen) page.note(`another agent is called ${oneLine(wanted)} too: ${news.task.task_id}`);
      chosen ??= news.task;
      page.awaits(undefined);
      viewer.choose(chosen.task_id);
    }
    if (!chosen) return;
    if (news.kind === 'event' && news.task_id === chosen.task_id) page.event(news);
    if (news.kind === 'task_changed' && news.task.task_id === chosen.task_id) {
      if (news.task.state !== chosen.state) page.line(taskLine(news.task, page.style));
      chosen = news.task;
    }
    if (news.kind === 'agent_failed' && news.task_id === chosen.task_id) throw news.error;
  };
}

const isNamed = ({ task_id, name }: TreeTask, wanted: string) => task_id === wanted || name === wanted;

/** What a watch has shown, and shows next. */
class WatchPage {
  private view = emptyView;
  private status: ViewerState['status'] = 'joining';
  private hasTriedAgain = false;
  private awaited: string | undefined;

  constructor(private readonly screen: Screen) {}

  get style() {
    return this.screen.style;
  }

  event(news: ViewNews): void {
    if (news.kind === 'event') this.put(showEvent(this.view, news.event, this.style));
    if (news.kind === 'gap') this.note('what came before is no longer kept');
  }

  /** Of the tree: who is there, how they do, and what they tell each other. */
  change(news: ViewNews, viewer: TaskTreeViewer): void {
    if (news.kind === 'task_appeared' || news.kind === 'task_changed') this.line(taskLine(news.task, this.style));
    if (news.kind === 'activity') {
      const text = messageLine(news.event, (task_id) => viewer.nameOf(task_id), this.style);
      if (text !== undefined) this.line(text);
    }
  }

  /** The agent that is to be shown and was not seen yet. */
  awaits(name: string | undefined): void {
    this.awaited = name;
  }

  tell(state: ViewerState): void {
    const { status } = state;
    if (status === 'joining' && state.error !== undefined && !this.hasTriedAgain) {
      this.note('nothing answers there; trying again …');
      this.hasTriedAgain = true;
    }
    if (status === this.status || (status === 'ended' && state.reason === 'left')) return;
    if (status === 'reconnecting') this.note('the connection is lost; trying again …');
    else if (this.status === 'reconnecting') this.note('connected again');
    if (status === 'live' && this.awaited !== undefined && this.status !== 'reconnecting') {
      this.note(`no agent is called ${oneLine(this.awaited)} yet; it is shown as soon as it is there`);
    }
    if (status === 'ended') this.note(`it has ended: ${oneLine(state.reason)}`);
    this.status = status;
  }

  line(content: string): void {
    const { page, text } = line(this.view.page, content);
    this.put({ view: { ...this.view, page }, text });
  }

  note(text: string): void {
    this.put(showNote(this.view, text, this.style));
  }

  private put({ view, text }: Shown): void {
    this.view = view;
    this.screen.terminal.write(text);
  }
}
