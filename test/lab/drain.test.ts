import { afterEach, beforeAll, expect, it } from 'vitest';
import { checksum } from './support/clients.ts';
import { lines } from './support/docker.ts';
import { exec, mustExec } from './support/exec.ts';
import { describeLab, lab } from './support/lab.ts';
import { Program } from './support/program.ts';
import { startSshferry } from './support/ssh.ts';
import { ferry, YOU } from './support/users.ts';

const PORT = 8370;
const MB = 1_000_000;
const [SOURCE, STORED] = ['incoming/drain-source', 'incoming/drain-stored'];
const [LOCAL, RECEIVED] = ['/lab/drain-local', '/lab/drain-received'];
/** More than fits in the buffers on the way, so that the end comes at the client's own pace. */
const SIZE = 40 * MB;

const running: Program[] = [];

describeLab('SIGTERM while clients download and upload', () => {
  beforeAll(async () => {
    const { a, b } = lab().hosts;
    const make = (path: string) => ['sh', '-c', `head -c ${SIZE} /dev/urandom > ${path}`];
    await mustExec(b.container, make(`/home/${ferry.name}/${SOURCE}`), { user: ferry.name });
    await mustExec(a.container, make(LOCAL), { user: YOU });
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((program) => program.signal('KILL')));
  });

  it('lets both finish, accepts no new client, and ends with status 0', async () => {
    const sshferry = await start('120');
    const [download, upload] = await transfers(8 * MB);
    await sshferry.signal('TERM');
    await sshferry.waitFor(/SIGTERM: stopping; 2 connected: up to 120 s to finish/);
    const { code, stderr } = await exec(lab().hosts.a.container, [
      'ncat',
      '--recv-only',
      'localhost',
      String(PORT),
    ]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/refused/)]);

    for (const client of [download, upload]) {
      expect(await client.end()).toBe(0);
      expect(lines(client.stdout)).toEqual(['begun', 'end', expect.stringMatching(/^226 /)]);
    }
    expect(await sshferry.end()).toBe(0);
    const { a, b } = lab().hosts;
    const stored = `/home/${ferry.name}/${STORED}`;
    expect(await checksum(a.container, RECEIVED)).toBe(
      await checksum(b.container, `/home/${ferry.name}/${SOURCE}`),
    );
    expect(await checksum(b.container, stored)).toBe(await checksum(a.container, LOCAL));
  });

  it('ends those that outlast DrainTimeout, and neither looks complete', async () => {
    const sshferry = await start('2');
    const [download, upload] = await transfers(1 * MB);
    await sshferry.signal('TERM');
    expect(await sshferry.end()).toBe(0);
    for (const client of [download, upload]) {
      await client.end();
      const [begun, ended, reply] = lines(client.stdout);
      expect([begun, ended]).toEqual([
        'begun',
        expect.stringMatching(/^(ConnectionResetError|BrokenPipeError)$/),
      ]);
      expect(reply).toMatch(/^(421|426) sshferry: |^(EOFError|ConnectionResetError)$/);
    }
    expect(sshferry.output).not.toMatch(/^\s+at /m);
  });
});

async function start(drainTimeout: string): Promise<Program> {
  const sshferry = await startSshferry(
    lab(),
    ...['-o', `DrainTimeout=${drainTimeout}`, '-L', `ftp/${PORT}:localhost:21`],
  );
  running.push(sshferry);
  return sshferry;
}

/** A download and an upload, both under way, at so many bytes a second. */
function transfers(rate: number): Promise<[Program, Program]> {
  const client = async (...transfer: string[]) => {
    const script = ['python3', '/app/test/lab/support/slow-ftp.py', String(PORT), ferry.name, ferry.password];
    const program = await Program.start(lab().hosts.a.container, [...script, ...transfer, String(rate)], {
      user: YOU,
    });
    running.push(program);
    await program.waitFor(/^begun$/m);
    return program;
  };
  return Promise.all([client('download', SOURCE, RECEIVED), client('upload', STORED, LOCAL)]);
}
