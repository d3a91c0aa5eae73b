import { Agent, request, type IncomingMessage } from 'node:http';

/** A request, whole. */
export interface Asked {
  method: string;
  path: string;
  /** As JSON; bytes as they are. */
  body?: object | Buffer;
  headers?: Record<string, string>;
}

export interface Answer {
  status: number;
  /** `200`, or `403 permission_denied`; of a problem that has no body, its status. */
  said: string;
  /** What came, as text: of an event stream the first event. */
  text: string;
}

/** A program that knows HTTP and nothing of Holdfast. */
export class Caller {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(private readonly url: string) {}

  ask(token: string | undefined, { method, path, body, headers }: Asked): Promise<Answer> {
    const isBytes = Buffer.isBuffer(body);
    return new Promise((resolve, reject) => {
      const sent = request(`${this.url}${path}`, {
        method,
        agent: this.agent,
        headers: {
          ...(body && { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
          ...(token && { authorization: `Bearer ${token}` }),
          ...headers,
        },
      });
      sent.on('error', reject);
      sent.on('response', (response) => readAnswer(response).then(resolve, reject));
      sent.end(body && (isBytes ? body : JSON.stringify(body)));
    });
  }

  /** The answer of a request that must succeed. */
  async take<T = Record<string, string>>(token: string, asked: Asked): Promise<T> {
    const { status, said, text } = await this.ask(token, asked);
    if (status >= 300) throw new Error(`${asked.method} ${asked.path}: ${said} ${text}`);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  post<T = Record<string, string>>(token: string, path: string, body: object): Promise<T> {
    return this.take<T>(token, { method: 'POST', path, body });
  }

  close(): void {
    this.agent.destroy();
  }
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const status = response.statusCode!;
  const isStream = response.headers['content-type']?.startsWith('text/event-stream') ?? false;
  let text = '';
  response.setEncoding('utf8');
  for await (const piece of response) {
    text += piece as string;
    // What follows is not looked at: a view may stay open for a minute.
    if (isStream && /^data:.*\n\n/m.test(text)) break;
  }
  if (isStream) response.destroy();
  return { status, said: saidBy(status, text), text };
}

function saidBy(status: number, text: string): string {
  if (status < 300 || text === '') return String(status);
  try {
    return `${status} ${(JSON.parse(text) as { code: string }).code}`;
  } catch {
    return String(status);
  }
}
