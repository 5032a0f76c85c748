import { expect, it } from 'vitest';
import { Capture } from './support/capture.ts';
import { exec, mustExec } from './support/exec.ts';
import { content, makeFile } from './support/files.ts';
import { describeLab, lab } from './support/lab.ts';
import { LOGIN } from './support/ssh.ts';
import { ferry } from './support/users.ts';

const NAME = 'seen-or-not-seen.bin';

/** What a capture must hold when the file went in the clear, and must not when it did not. */
function telltales(): (string | Buffer)[] {
  const [first] = content(Buffer.from(NAME).toString('hex'), 4096);
  return [ferry.password, NAME, (first ?? Buffer.alloc(0)).subarray(1000, 1032)];
}

describeLab('a capture of the wire between A and yourserver', () => {
  it('finds the password, file name and content of plain FTP, and the packets that carried them', async () => {
    const { a } = lab().hosts;
    makeFile(lab().pub, NAME, 100_000);
    const capture = await Capture.start(lab(), 'plain-ftp');
    const url = `ftp://${ferry.name}:${ferry.password}@yourserver/pub/${NAME}`;
    await mustExec(a.container, ['curl', '--silent', '--fail', '--output', '/dev/null', url]);
    const captured = await capture.stop();
    expect(captured.dropped).toBe(0);
    expect(captured.outside.join('\n')).toMatch(/\.21: Flags/);
    expect(await captured.find(telltales())).toHaveLength(3);
  });

  it('finds nothing of the same file when it is sent by scp, and only TCP port 22', async () => {
    const { a } = lab().hosts;
    const { sha256 } = makeFile(lab().pub, NAME, 100_000);
    const capture = await Capture.start(lab(), 'scp');
    await mustExec(a.container, ['scp', '-q', '-B', `${LOGIN}:pub/${NAME}`, '/tmp/scp.bin']);
    const captured = await capture.stop();
    expect(await mustExec(a.container, ['sha256sum', '/tmp/scp.bin'])).toContain(sha256);
    expect(captured.dropped).toBe(0);
    expect(captured.outside.slice(0, 20)).toEqual([]);
    expect(captured.bytes).toBeGreaterThan(100_000);
    expect(await captured.find(telltales())).toEqual([]);
  });

  it('sees a single UDP packet, over IPv4 and over IPv6', async () => {
    const { a, b } = lab().hosts;
    const capture = await Capture.start(lab(), 'udp');
    for (const address of [b.wire?.v4, b.wire?.v6]) {
      // Nothing answers there, so the sender may or may not learn of a failure.
      await exec(a.container, ['ncat', '--udp', '--send-only', String(address), '4000'], {
        stdin: 'hello, wire',
      });
    }
    const captured = await capture.stop();
    const datagrams = captured.outside.filter((line) => line.includes('.4000: UDP'));
    expect(datagrams).toHaveLength(2);
    expect(await captured.find(['hello, wire'])).toHaveLength(1);
  });
});
