import { AsyncLocalStorage } from 'node:async_hooks';

/** What every log line of one request, or of the job it caused, carries. */
export interface RequestContext {
  /** Of the HTTP request, or of the job. */
  request_id: string;
  /** W3C Trace Context, with the span id of this process's part. */
  traceparent: string;
  project_id?: string;
  key_id?: string;
  session_id?: string;
  turn_id?: string;
}

const contexts = new AsyncLocalStorage<RequestContext>();

/** Runs `work`, and all that it awaits, in `context`. Workers use it to go on with the request that left a job. */
export function runInContext<T>(context: RequestContext, work: () => T): T {
  return contexts.run(context, work);
}

/** Undefined outside of any request or job. */
export function currentContext(): Readonly<RequestContext> | undefined {
  return contexts.getStore();
}

/** What to leave with a job, so that its trace goes on; null outside of any request or job. */
export function currentTraceparent(): string | null {
  return contexts.getStore()?.traceparent ?? null;
}

/** Adds ids to the log lines that follow in the present context; does nothing outside of one. */
export function annotateContext(ids: Partial<Omit<RequestContext, 'request_id' | 'traceparent'>>): void {
  const context = contexts.getStore();
  if (context) Object.assign(context, ids);
}
