import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { Type } from 'class-transformer';
import { IsArray, IsInt, IsObject, IsOptional, IsString, ValidateNested } from 'class-validator';
import { Public } from '@holdfast/platform-auth';
import { AsSent, IdempotencyKey, isStorableText, JudgesEach, PageQuery } from '../src/index.js';
import { startTestApp, type TestApp } from './test-app.js';

class Item {
  @IsInt()
  size!: number;
}

class Order extends PageQuery {
  @IsOptional()
  @IsString()
  name?: string;

  @IsOptional()
  @IsObject()
  labels?: Record<string, string>;

  @IsOptional()
  @AsSent()
  @IsObject()
  extra?: object;

  @IsOptional()
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Item)
  items?: Item[];
}

class Batch {
  @IsString()
  name!: string;

  @AsSent()
  @IsArray()
  entries!: unknown[];
}

class Filter {
  @IsString()
  name!: string;
}

@Public()
@Controller()
class Routes {
  @Post('orders')
  @HttpCode(200)
  echo(@Body() order: Order) {
    return order;
  }

  @Post('batches')
  @HttpCode(200)
  @JudgesEach('entries')
  judge(@Body() { entries }: Batch) {
    return { taken: entries.map((entry) => typeof entry === 'string' && isStorableText(entry)) };
  }

  @Get('filter')
  filter(@Query() { name }: Filter) {
    return { name };
  }

  @Get('keyed')
  keyed(@IdempotencyKey() key?: string) {
    return { key: key ?? null };
  }
}

let test: TestApp;
beforeAll(async () => {
  test = await startTestApp({ controllers: [Routes] });
});
afterAll(() => test.stop());

const JSON_TYPE = { 'content-type': 'application/json' };

describe('an object with a key named like a method of every object', () => {
  const order = (body: object) =>
    fetch(`${test.url}/orders`, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body) });

  it('arrives as it was sent in a free-form field', async () => {
    const extra = { constructor: { prototype: 'x' }, toString: 1, nested: { constructor: '1' } };
    const response = await order({ extra: { ...extra, constructor: 'mine' } });
    expect(await response.json()).toMatchObject({
      extra: { constructor: 'mine', toString: 1, nested: { constructor: '1' } },
    });
  });

  it('is refused elsewhere, as the fault of the request', async () => {
    const response = await order({ unknown: { constructor: '1' } });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'request_invalid' });
  });
});

async function call(path: string, init: RequestInit = {}) {
  const response = await fetch(`${test.url}${path}`, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
}

const post = (path: string, body: string, headers: Record<string, string> = JSON_TYPE) =>
  call(path, { method: 'POST', body, headers });

describe('a request', () => {
  it('is told everything that is wrong with it, by JSON Pointer', async () => {
    const order = { name: 1, items: [{ size: 1 }, { size: 'x' }], 'a/b~c': 1, limit: 201 };
    const { status, body } = await post('/orders', JSON.stringify(order));
    expect([status, body.code]).toEqual([400, 'request_invalid']);
    expect(body.errors).toEqual(
      expect.arrayContaining([
        { pointer: '/name', detail: 'name must be a string' },
        { pointer: '/items/1/size', detail: expect.stringContaining('integer') },
        { pointer: '/a~1b~0c', detail: expect.stringContaining('should not exist') },
        { pointer: '/limit', detail: expect.stringContaining('200') },
      ]),
    );
    expect(body.errors).toHaveLength(4);
  });

  it('is told at most 50 things', async () => {
    const fields = Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`f${i}`, 1]));
    expect((await post('/orders', JSON.stringify(fields))).body.errors).toHaveLength(50);
  });

  it.each(['limit=x', '', 'name=a&other=b'])('has its query %j validated like a body', async (query) => {
    expect(await call(`/filter?${query}`)).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
  });

  it('pages by 50 when it does not say, and may not say null', async () => {
    expect((await post('/orders', '{}')).body).toEqual({ limit: 50 });
    expect((await post('/orders', '{"limit":200,"cursor":"abc"}')).body).toEqual({ limit: 200, cursor: 'abc' });
    for (const body of ['{"limit":null}', '{"limit":0}', '{"limit":1.5}', '{"limit":"5"}', '{"cursor":null}']) {
      expect(await post('/orders', body)).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
    }
  });

  it('may leave an optional body out, whatever its content type says', async () => {
    expect(await post('/orders', '')).toMatchObject({ status: 200, body: { limit: 50 } });
    expect(await call('/orders', { method: 'POST' })).toMatchObject({ status: 200, body: { limit: 50 } });
  });

  it.each(['[]', '[{}]', '"text"', '1'])('may not be %s where an object belongs', async (body) => {
    expect(await post('/orders', body)).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
  });

  it.each(['{"name":', 'undefined', '{"name":"a"} x'])('with the body %j is malformed JSON', async (body) => {
    expect(await post('/orders', body)).toMatchObject({ status: 400, body: { code: 'json_malformed' } });
  });

  it.each([
    ['{"name":"a\\u0000b"}', '/name'],
    ['{"labels":{"a/b":"\\ud800"}}', '/labels/a~1b'],
    ['{"labels":{"\\uDFFF":"x"}}', '/labels'],
  ])('may not hold text that PostgreSQL cannot: %s', async (body, pointer) => {
    const answer = await post('/orders', body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'request_invalid', errors: [{ pointer }] } });
  });

  it('may hold any other text', async () => {
    const name = 'é 😀 \\u0000 \n';
    expect((await post('/orders', JSON.stringify({ name }))).body.name).toBe(name);
    expect((await post('/orders', '{"name":"\\ud83d\\ude00"}')).body.name).toBe('😀');
  });

  it('cannot reach a prototype', async () => {
    const { status, body } = await post('/orders', '{"labels":{"__proto__":{"admin":true},"a":"b"}}');
    expect([status, body.labels]).toEqual([200, { a: 'b' }]);
  });

  it('may be nested 64 levels deep', async () => {
    const nested = (levels: number) => `{"labels":${'{"a":'.repeat(levels - 1)}1${'}'.repeat(levels - 1)}}`;
    expect((await post('/orders', nested(64))).status).toBe(200);
    expect(await post('/orders', nested(65))).toMatchObject({
      status: 400,
      body: { code: 'request_invalid', errors: [{ pointer: `/labels${'/a'.repeat(63)}` }] },
    });
  });

  it('has its entries judged one by one where the route says so, and nothing else', async () => {
    const deep = `${'['.repeat(400)}${']'.repeat(400)}`;
    const batch = (name: string, entries: string) => post('/batches', `{"name":"${name}","entries":${entries}}`);
    expect(await batch('b', `["a","\\u0000","\\ud800",${deep},{"\\u0000":1},"b"]`)).toMatchObject({
      status: 200,
      body: { taken: [true, false, false, false, false, true] },
    });
    expect(await batch('\\u0000', '["a"]')).toMatchObject({ status: 400, body: { errors: [{ pointer: '/name' }] } });
    expect(await batch('b', '{"a":"\\u0000"}')).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/entries/a' }] },
    });
  });

  it('beyond the limit is told the limit', async () => {
    const { status, body } = await post('/orders', JSON.stringify({ name: 'x'.repeat(1_024) }));
    expect([status, body.code, body.limit_bytes]).toEqual([413, 'body_too_large', 1_024]);
  });

  it.each(['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'application/merge-patch+json'])(
    'of type %s is refused',
    async (type) => {
      const answer = await post('/orders', 'name=a', { 'content-type': type });
      expect(answer).toMatchObject({ status: 415, body: { code: 'media_type_unsupported' } });
    },
  );

  it('of a malformed type is refused', async () => {
    const answer = await post('/orders', '{}', { 'content-type': 'nonsense' });
    expect(answer).toMatchObject({ status: 415, body: { code: 'media_type_unsupported' } });
  });
});

describe('Idempotency-Key', () => {
  it('is handed to the handler, or is undefined', async () => {
    const longest = '!'.repeat(255);
    expect((await call('/keyed')).body).toEqual({ key: null });
    expect((await call('/keyed', { headers: { 'idempotency-key': longest } })).body).toEqual({ key: longest });
  });

  it.each(['', 'two words', 'x'.repeat(256), 'ümlaut'])('is refused when it is %j', async (key) => {
    const answer = await call('/keyed', { headers: { 'idempotency-key': key } });
    expect(answer).toMatchObject({ status: 400, body: { code: 'idempotency_key_malformed' } });
  });
});
