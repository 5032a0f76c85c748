import { expect, test } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { FakeTransport, Run } from '../fakes.ts';

test('check --json has the field format, as status --json has', async () => {
  const refused = Promise.reject(new GatewayError('SSH_AUTH', 'no key is accepted'));
  const run = new Run(['check', '--json', '-L', '8021:localhost:21', 'me@yourserver.example.com'], {
    transport: new FakeTransport(refused),
  });
  expect(await run.status).toBe(255);
  expect(JSON.parse(run.stdout.text)).toMatchObject({ format: 1, sshferry: '1.2.3', works: false });
});
