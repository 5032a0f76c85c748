import { afterEach, beforeAll, expect, it } from 'vitest';
import { rawFtp } from './support/clients.ts';
import { exec } from './support/exec.ts';
import { makeFile } from './support/files.ts';
import { describeLab, lab } from './support/lab.ts';
import { Program } from './support/program.ts';
import { holdings } from './support/sockets.ts';
import { startSshferry } from './support/ssh.ts';
import type { Addresses } from './support/topology.ts';
import { ferry, OTHER, YOU } from './support/users.ts';

const FILE = 'data-port.bin';
const HOLDER = '/app/test/lab/support/data-port-holder.mjs';

const running: Program[] = [];
let sha256 = '';

async function ferryOn(...flags: string[]): Promise<Program> {
  const sshferry = await startSshferry(lab(), ...flags);
  running.push(sshferry);
  return sshferry;
}

/** A client, as the user who runs sshferry, to which a data port has been told. */
async function holder(host: string, ask: string): Promise<{ client: Program; port: number }> {
  const { name, password } = ferry;
  const job = { host, port: 8021, user: name, password, ask, path: `pub/${FILE}` };
  const argv = ['node', HOLDER, JSON.stringify(job)];
  const client = await Program.start(lab().hosts.a.container, argv, { user: YOU });
  running.push(client);
  const [, port] = await client.waitFor(/port (\d+)/);
  return { client, port: Number(port) };
}

/** The port still serves the one whom it was told. */
async function fetches(client: Program): Promise<void> {
  await client.signal('USR1');
  const [, got] = await client.waitFor(/got (.*)/);
  expect(got).toBe(`${sha256} 150 226`);
}

/** Connects and reads a line; returns what came, and how it ended. */
async function steal(container: string, host: string, port: number, user?: string) {
  const script = 'exec 3<>/dev/tcp/$1/$2 && head -n 1 <&3';
  const argv = ['bash', '-c', script, 'bash', host, String(port)];
  const { code, stdout, stderr } = await exec(container, argv, { timeout: 20, ...(user && { user }) });
  return { code, stdout, stderr };
}

const RESET = { code: 1, stdout: '', stderr: expect.stringMatching(/reset by peer/) };
const REFUSED = { code: 1, stdout: '', stderr: expect.stringMatching(/refused/) };

describeLab('a port of one user', () => {
  beforeAll(() => {
    ({ sha256 } = makeFile(lab().pub, FILE, 300_000));
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((program) => program.signal('KILL').catch(() => {})));
  });

  it.each([
    ['127.0.0.1', 'EPSV', ['127.0.0.1']],
    ['127.0.0.1', 'PASV', ['127.0.0.1']],
    ['::1', 'EPSV', ['::1']],
    // It gets an IPv4 address, and some clients dial the address of the control connection all the
    // same.
    ['::1', 'PASV', ['127.0.0.1', '::1']],
  ])('cannot be used by another user of the machine: %s, %s', async (host, ask, addresses) => {
    const sshferry = await ferryOn('-L', '8021:localhost:21');
    const a = lab().hosts.a.container;
    const { client, port } = await holder(host, ask);
    for (const address of addresses) {
      for (const at of [port, 8021]) {
        expect([address, at, await steal(a, address, at, OTHER)]).toEqual([address, at, RESET]);
      }
    }
    // The log names the first at once, and counts the others once a minute.
    await sshferry.waitFor(new RegExp(`refused a connection to port ${port} from ${OTHER}`));
    await fetches(client);
  });

  it('can be used with LocalUsers=any, so the attempts above are real', async () => {
    await ferryOn('-o', 'LocalUsers=any', '-L', '8021:localhost:21');
    const stolen = await steal(lab().hosts.a.container, '127.0.0.1', 8021, OTHER);
    expect(stolen).toEqual({ code: 0, stdout: expect.stringMatching(/^220 /), stderr: '' });
  });

  it('cannot be reached from another host', async () => {
    await ferryOn('-L', '8021:localhost:21');
    const { a, b } = lab().hosts;
    const { client, port } = await holder('127.0.0.1', 'EPSV');
    for (const address of both(a.wire)) {
      for (const at of [8021, port]) {
        expect([address, at, await steal(b.container, address, at)]).toEqual([address, at, REFUSED]);
      }
    }
    await fetches(client);
  });

  it.each(['v4', 'v6'] as const)(
    'that listens for other hosts serves only its client’s address: %s',
    async (family) => {
      const sshferry = await ferryOn('-g', '-L', '8021:localhost:21');
      const { a, b } = lab().hosts;
      const [own, others] = [a.wire?.[family] ?? '', b.wire?.[family] ?? ''];
      const { client, port } = await holder(own, 'EPSV');
      expect(await steal(b.container, own, port)).toEqual(RESET);
      await sshferry.waitFor(new RegExp(`refused a data connection from \\[?${others}\\]?:`));
      await fetches(client);
    },
  );

  it.each([
    ['127.0.0.1', 'v4', 1],
    ['::1', 'v6', 2],
  ] as const)(
    'is not opened for active mode, and no other host is dialled: %s',
    async (host, family, protocol) => {
      const sshferry = await ferryOn('-L', '8021:localhost:21');
      const { a, b } = lab().hosts;
      const login = [`USER ${ferry.name}`, `PASS ${ferry.password}`];
      const other = b.wire?.[family] ?? '';
      const eprt = (address: string, port: number) => `EPRT |${protocol}|${address}|${port}|`;
      const commands = [...login, eprt(other, 22_000), eprt(host, 22), eprt(host, 22_000), 'STAT'];
      // The last is not followed by QUIT: the session is still there when the ports are looked at.
      const session = await Program.start(a.container, rawFtp({ host, port: 8021 }, commands), { user: YOU });
      running.push(session);
      await session.waitFor(/200 EPRT command successful/);
      const { listeners, connections } = await holdings(a.container, sshferry.pid, YOU);
      expect(listeners.every((listener) => listener.endsWith(':8021'))).toBe(true);
      expect(connections.filter((ends) => ends.endsWith(':22000'))).toEqual([]);
      expect(session.stdout.match(/^500 Illegal EPRT/gm)).toHaveLength(2);
    },
  );
});

function both(addresses: Addresses | null): string[] {
  return addresses === null ? [] : [addresses.v4, addresses.v6];
}
