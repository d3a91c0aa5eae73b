import { parseWebhookUrl } from './webhook-url.rules.js';

const refused = (text: string, allowLoopback: boolean, reason: string) =>
  expect(() => parseWebhookUrl(text, { allowLoopback })).toThrow(
    expect.objectContaining({
      code: 'webhook_url_rejected',
      message: reason,
      members: { error: { code: 'WEBHOOK_URL_REJECTED' } },
    }),
  );

describe('where a webhook may go (S8)', () => {
  it('to the Internet by https, and says why not elsewhere', () => {
    expect(parseWebhookUrl('https://hooks.example/in', { allowLoopback: false })).toMatchObject({ reach: 'public' });
    refused('http://hooks.example/', false, 'A webhook URL must begin with https://.');
    refused('https://10.0.0.1/', true, 'A webhook URL must lead to the public Internet.');
    refused('/in', false, 'A webhook URL is not an absolute URL.');
  });

  it('to this machine only where that is configured', () => {
    expect(parseWebhookUrl('http://localhost:3000/', { allowLoopback: true })).toMatchObject({ reach: 'loopback' });
    refused('http://localhost:3000/', false, 'A webhook URL must begin with https://.');
  });
});
