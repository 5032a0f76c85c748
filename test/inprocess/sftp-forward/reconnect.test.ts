import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { describeWith } from '../../support/openssh.ts';
import { RawClient } from '../../support/raw-client.ts';
import { sshdWithSftp } from '../../support/sftp-forward.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { SSHD } from '../../support/sshd.ts';

const TEST = { onTestFinished };

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen'], 'A client that arrives when SSH is lost', () => {
  const { serve } = sshdWithSftp();
  const connect = (port: number) => RawClient.connect(TEST, { host: '127.0.0.1', port });

  it('waits for the connection, in whatever moment it is lost', { timeout: 120_000 }, async () => {
    const { port, relay, cut } = await serve();
    const first = await connect(port);
    expect(await first.reply()).toMatch(/^220 /);
    for (const moment of [0, 1, 2]) {
      relay.freeze(true);
      const client = await connect(port);
      const greeting = client.reply();
      await delay(100);
      cut();
      relay.freeze(false);
      await delay(moment * 10);
      const other = connect(port).then((late) => late.reply());
      expect(await greeting).toMatch(/^220 /);
      expect(await other).toMatch(/^220 /);
      expect(await client.command('USER me')).toMatch(/^[23]/);
    }
  });

  it('is refused if there is none within the connect timeout', { timeout: 60_000 }, async () => {
    const { port, relay, cut } = await serve('-o', 'ConnectTimeout=4');
    const first = await connect(port);
    expect(await first.reply()).toMatch(/^220 /);
    relay.freeze(true);
    const client = await connect(port);
    await delay(100);
    relay.open = false;
    cut();
    relay.freeze(false);
    const since = performance.now();
    expect(await client.reply()).toMatch(/^421 /);
    expect(performance.now() - since).toBeLessThan(12_000);
  });
});
