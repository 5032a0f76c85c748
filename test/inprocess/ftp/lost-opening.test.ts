import { once } from 'node:events';
import net from 'node:net';
import { expect, it, type TestContext } from 'vitest';
import { startFtp } from '../../support/gateway.ts';
import { RawClient } from '../../support/raw-client.ts';
import { pattern, ScriptedFtpServer, type Stored, serveAll } from '../../support/scripted-ftp-server.ts';

/**
 * An SSH connection for data that is lost when its server has reached the data port and not said so
 * yet. FTP servers take one connection of a data port: that one, which brings nothing.
 */
async function lostWhileOpening(test: TestContext) {
  const server = await ScriptedFtpServer.start(test);
  const stored: Stored[] = [];
  serveAll(server, { onStored: (upload) => stored.push(upload) });
  let losses = 0;
  const { ssh, endpoint } = await startFtp(test, {
    transport: 'ssh',
    target: server,
    dataConnections: 1,
    ssh: {
      allowForward: async ({ host, port }) => {
        if (port === server.port || losses > 0) return true as const;
        losses += 1;
        const reached = net.connect({ host, port });
        await once(reached, 'connect');
        ssh?.killConnections('reset', 'latest');
        reached.destroy();
        return true as const;
      },
    },
  });
  const client = await RawClient.connect(test, endpoint);
  expect(await client.reply()).toMatch(/^220 /);
  return { client, stored, losses: () => losses };
}

it.for(['PASV', 'EPSV'] as const)(
  'an upload after %s whose data port was reached by an SSH connection that was lost then does not look whole',
  async (verb, test) => {
    const { client, stored, losses } = await lostWhileOpening(test);
    const passive = await client.command(verb);
    if (/^22[79] /.test(passive)) {
      const data = await client.data(client.where(passive));
      client.send('STOR f');
      data.write(pattern(150_000));
      data.end();
      expect(await client.reply()).toMatch(/^425 /);
    } else expect(passive).toMatch(/^4\d\d /);
    expect(losses()).toBe(1);

    // The next try gets through, on the SSH connection that is left.
    const data = await client.data(await client.passive(verb));
    client.send('STOR g');
    data.write(pattern(150_000));
    data.end();
    expect(await client.reply()).toMatch(/^150 /);
    expect(await client.reply()).toMatch(/^226 /);
    expect(stored.at(-1)).toEqual({ name: 'g', bytes: pattern(150_000), complete: true });
  },
);
