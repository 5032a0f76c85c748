import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, startAtTerminal, startAttended } from './support/attended.ts';
import { checksum, curl, ftpUrl } from './support/clients.ts';
import { exec, mustExec } from './support/exec.ts';
import { makeFile } from './support/files.ts';
import { hostKeys, writeFile } from './support/keys.ts';
import { describeLab, lab } from './support/lab.ts';
import { Program } from './support/program.ts';
import { LOGIN, sshferryArgv } from './support/ssh.ts';
import { startSshd } from './support/sshd.ts';
import { ferry, YOU } from './support/users.ts';
import {
  KERBEROS_PASSWORD,
  PIN,
  SECURITY_KEY,
  SMART_CARD,
  startKerberos,
  startWorkstation,
} from './support/workstation.ts';

const PORT = 2601;
const FTP = ['-L', '8021:localhost:21'];
const AT = ['-p', String(PORT), '-o', 'HostKeyAlias=yourserver'];
const BATCH = ['-o', 'BatchMode=yes'];
const HOME = '/home/you/.ssh';
const NAME = 'login.bin';

const running: Program[] = [];
/** The container that sshferry runs in. */
let here: string;
let sha256 = '';

/** Starts an sshd of the test's own on yourserver, which allows one method. */
async function sshd(method: string, settings: Record<string, string> = {}): Promise<Program> {
  const only = { AuthenticationMethods: method, LogLevel: 'VERBOSE', ...settings };
  const program = await startSshd(lab().hosts.b, PORT, only);
  running.push(program);
  return program;
}

/** Starts sshferry without a terminal. Settles when it forwards. */
async function sshferry(...flags: string[]): Promise<Program> {
  const argv = sshferryArgv('--log-format', 'pretty', '-v', ...flags, ...FTP);
  const program = await Program.start(here, argv, { user: YOU });
  running.push(program);
  await program.waitFor(/control and data/);
  return program;
}

async function attended(
  flags: readonly string[],
  answers: readonly Answer[],
  env: Record<string, string> = {},
): Promise<Program> {
  const program = await startAttended(here, { flags: [...flags, ...FTP], answers, env });
  running.push(program);
  return program;
}

/** Runs sshferry without a terminal to its end, which must be a refused login. Returns its words. */
async function refused(...flags: string[]): Promise<string> {
  const argv = sshferryArgv('--log-format', 'pretty', ...BATCH, ...flags, ...FTP);
  const { code, stderr } = await exec(here, argv, { user: YOU });
  expect(code).toBe(255);
  return stderr;
}

/** Downloads and uploads a file through the forward. */
async function expectTransfers(): Promise<void> {
  const site = { host: 'localhost', port: 8021 };
  await curl(here, '--output', '/tmp/got.bin', ftpUrl(site, `pub/${NAME}`));
  expect(await checksum(here, '/tmp/got.bin')).toBe(sha256);
  await curl(here, '--upload-file', '/tmp/got.bin', ftpUrl(site, `incoming/${NAME}`));
  expect(await checksum(lab().hosts.b.container, `/home/ferry/incoming/${NAME}`)).toBe(sha256);
}

/** Allows a public key to log in as ferry; the user that sshd runs as wrote the file. */
async function authorize(publicKey: string): Promise<Record<string, string>> {
  await writeFile(lab().hosts.b.container, '/etc/ssh/authorized', publicKey, 'root');
  return { AuthorizedKeysFile: '/etc/ssh/authorized' };
}

function keygen(...args: string[]): Promise<string> {
  return mustExec(here, ['ssh-keygen', ...args], { user: YOU });
}

describeLab('logins that only OpenSSH supports', () => {
  beforeAll(async () => {
    here = await startWorkstation(lab());
    sha256 = makeFile(lab().pub, NAME, 3_000_000).sha256;
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((program) => program.signal('KILL')));
  });

  describe('Kerberos', () => {
    const settings = { GSSAPIAuthentication: 'yes' };

    beforeAll(() => startKerberos(lab()));

    it('is refused without a ticket, and the error says what to do', async () => {
      await sshd('gssapi-with-mic', settings);
      await exec(here, ['kdestroy', '-q'], { user: YOU });
      const said = await refused('-K', ...AT, LOGIN);
      expect(said.trimEnd().split('\n')).toEqual([
        expect.stringMatching(/permission denied \(gssapi-with-mic\): tried Kerberos; no .* ticket: .*kinit/),
      ]);
    });

    it.each(['-K', '-oGSSAPIAuthentication=yes'])(
      'logs in with a ticket and no password: %s',
      async (flag) => {
        const server = await sshd('gssapi-with-mic', settings);
        await mustExec(here, ['kinit', ferry.name], { user: YOU, stdin: `${KERBEROS_PASSWORD}\n` });
        const program = await sshferry(flag, ...BATCH, ...AT, LOGIN);
        await expectTransfers();
        // The main connection, and the one for data.
        expect(server.stderr.match(/Accepted gssapi-with-mic for ferry/g)).toHaveLength(2);
        expect(program.stderr).not.toMatch(/\b(warn|error) /);
        expect(await program.stop()).toBe(0);
      },
    );
  });

  describe('a smart card', () => {
    let settings: Record<string, string>;

    beforeAll(async () => {
      const token = ['--token', 'lab'];
      const init = ['--init-token', '--free', '--label', 'lab', '--pin', PIN, '--so-pin', '00000000'];
      await mustExec(here, ['softhsm2-util', ...init], { user: YOU });
      const key = ['openssl', 'genpkey', '-algorithm', 'RSA', '-out', '/tmp/card.pem'];
      await mustExec(here, key, { user: YOU });
      const load = ['--import', '/tmp/card.pem', '--label', 'key', '--id', '01', '--pin', PIN];
      await mustExec(here, ['softhsm2-util', ...token, ...load], { user: YOU });
      await mustExec(here, ['rm', '/tmp/card.pem'], { user: YOU });
      settings = await authorize(await keygen('-D', SMART_CARD));
    });

    it('logs in with -I after the PIN is typed', async () => {
      const server = await sshd('publickey', settings);
      const program = await attended(['-I', SMART_CARD, ...AT, LOGIN], [['PIN for .lab', PIN]]);
      await expectTransfers();
      expect(server.stderr).toMatch(/Accepted publickey for ferry .*RSA/);
      expect(program.output).not.toContain(PIN);
    });

    it('is refused in batch mode, where no PIN can be typed', async () => {
      await sshd('publickey', settings);
      expect(await refused('-I', SMART_CARD, ...AT, LOGIN)).toMatch(/permission denied \(publickey\)/);
    });
  });

  describe('a FIDO security key', () => {
    const key = `${HOME}/id_ed25519_sk`;
    const flags = ['-o', `SecurityKeyProvider=${SECURITY_KEY}`, '-i', key, ...AT, LOGIN];
    let settings: Record<string, string>;

    beforeAll(async () => {
      await keygen('-q', '-t', 'ed25519-sk', '-w', SECURITY_KEY, '-N', '', '-f', key);
      settings = await authorize(await mustExec(here, ['cat', `${key}.pub`]));
    });

    it('logs in with sk-ssh-ed25519', async () => {
      const server = await sshd('publickey', settings);
      const program = await sshferry(...BATCH, ...flags);
      await expectTransfers();
      expect(server.stderr).toMatch(/Accepted publickey for ferry .*ED25519-SK/);
      expect(await program.stop()).toBe(0);
    });

    it('asks for a touch on the terminal, and waits for it', async () => {
      // The program that signs for ssh waits for this file, as a key waits for its person.
      const touch = '/tmp/touched';
      const helper = '/tmp/sk-helper';
      const script = `#!/bin/sh
while ! test -e ${touch}; do sleep 0.05; done
exec /usr/lib/openssh/ssh-sk-helper "$@"
`;
      await writeFile(here, helper, script, YOU);
      await mustExec(here, ['chmod', '755', helper], { user: YOU });
      const server = await sshd('publickey', settings);
      const env = { SSH_SK_HELPER: helper };
      const program = await startAtTerminal(here, { flags: [...flags, ...FTP], answers: [], env });
      running.push(program);
      await program.waitFor(/Confirm user presence for key ED25519-SK SHA256:/);
      expect(server.stderr).not.toContain('Accepted publickey');
      expect(program.stdout).not.toContain('READY');
      await mustExec(here, ['touch', touch], { user: YOU });
      await program.waitFor(/^READY/m);
      await expectTransfers();
    });
  });

  describe('certificates', () => {
    const [ca, key, trusted] = [`${HOME}/ca`, `${HOME}/certified`, '/etc/ssh/lab_ca.pub'];
    const hostKey = '/etc/ssh/ssh_host_ed25519_key';
    const certificate = '/etc/ssh/lab_host-cert.pub';
    const known = ['-o', `UserKnownHostsFile=${HOME}/known_authority`, '-o', 'StrictHostKeyChecking=yes'];
    const flags = ['-i', key, '-p', String(PORT), ...known, LOGIN];
    const settings = {
      TrustedUserCAKeys: trusted,
      AuthorizedKeysFile: 'none',
      HostKey: hostKey,
      HostCertificate: certificate,
    };

    beforeAll(async () => {
      const b = lab().hosts.b.container;
      for (const file of [ca, key]) await keygen('-q', '-t', 'ed25519', '-N', '', '-f', file);
      const authority = await mustExec(here, ['cat', `${ca}.pub`]);
      await writeFile(b, trusted, authority, 'root');
      const line = `@cert-authority [yourserver]:${PORT} ${authority}`;
      await writeFile(here, `${HOME}/known_authority`, line, YOU);
      const [host = ''] = await hostKeys(b);
      await writeFile(here, '/tmp/lab_host.pub', `${host}\n`, YOU);
      await keygen('-q', '-s', ca, '-I', 'yourserver', '-h', '-n', 'yourserver', '/tmp/lab_host.pub');
      await writeFile(b, certificate, await mustExec(here, ['cat', '/tmp/lab_host-cert.pub']), 'root');
    });

    const certify = (user: string) => keygen('-q', '-s', ca, '-I', 'me', '-n', user, `${key}.pub`);

    it("verifies the host's and logs in with the user's, without any key in known_hosts", async () => {
      await certify(ferry.name);
      const server = await sshd('publickey', settings);
      const program = await sshferry(...BATCH, ...flags);
      await expectTransfers();
      expect(server.stderr).toMatch(/Accepted publickey for ferry .*ED25519-CERT/);
      expect(program.stderr).toMatch(/OpenSSH's ssh logs in to yourserver: the certificate .* needs it/);
      expect(await program.stop()).toBe(0);
    });

    it('is refused with a certificate for another user', async () => {
      await certify('alice');
      await sshd('publickey', settings);
      expect(await refused(...flags)).toMatch(/permission denied \(publickey\)/);
    });

    it('refuses a host with a key that the authority has not signed', async () => {
      await certify(ferry.name);
      await sshd('publickey', { ...settings, HostCertificate: 'none', HostKey: '/etc/ssh/ssh_host_rsa_key' });
      expect(await refused(...flags)).toMatch(/host key/i);
    });
  });

  it('logs in to a server that offers only a post-quantum key exchange', async () => {
    const key = `${HOME}/plain`;
    await keygen('-q', '-t', 'ed25519', '-N', '', '-f', key);
    const settings = await authorize(await mustExec(here, ['cat', `${key}.pub`]));
    const kex = 'sntrup761x25519-sha512@openssh.com';
    await sshd('publickey', { ...settings, KexAlgorithms: kex });
    const program = await sshferry('-i', key, ...BATCH, ...AT, LOGIN);
    await expectTransfers();
    expect(program.stderr).toMatch(/no key exchange algorithm in common.*trying OpenSSH's ssh/);
    const check = sshferryArgv('check', '-i', key, ...BATCH, ...AT, '-L', '8022:localhost:21', LOGIN);
    const { stdout } = await exec(here, check, { user: YOU });
    expect(stdout).toMatch(new RegExp(`by OpenSSH,\\s+${kex} \\(post-quantum\\)`));
    expect(await program.stop()).toBe(0);
  });
});
