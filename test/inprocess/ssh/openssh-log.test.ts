import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { Logger } from '../../../src/core/log.ts';
import type { OpenSshDeps } from '../../../src/core/ssh/openssh/deps.ts';
import { Master } from '../../../src/core/ssh/openssh/master.ts';
import type { SshOptions } from '../../../src/core/ssh/options.ts';
import { describeWith } from '../../support/openssh.ts';
import { silentLog, testOptions } from '../../support/ssh-login.ts';
import { ScriptedPrompter } from '../../support/ssh-person.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const VERIFIED = ['debug1: Server host key: ssh-ed25519 SHA256:dmFsaWQ', 'debug1: SSH2_MSG_NEWKEYS received'];
const SIGNING = 'debug1: Server accepts key: /home/you/.ssh/id ED25519 SHA256:a2V5 explicit';
const LOGGED_IN = 'Authenticated to yourserver (via proxy) using "password".';
const ADDED = "Warning: Permanently added 'elsewhere' (ED25519) to the list of known hosts.";

const KERBEROS: Partial<SshOptions> = {
  openssh: {
    certificateFile: [],
    pkcs11Provider: null,
    securityKeyProvider: null,
    gssapiAuthentication: true,
    gssapiDelegateCredentials: false,
    algorithms: {},
    lacking: null,
  },
};

describeWith(['sh'], 'a login by OpenSSH', () => {
  /** Logs in by a program that writes these lines as ssh would, and then what `after` does. */
  async function login(
    lines: readonly string[],
    after: string,
    more: Partial<OpenSshDeps> = {},
    over: Partial<SshOptions> = {},
  ) {
    const folder = await tempFolder({ onTestFinished });
    await mkdir(path.join(folder, 'bin'));
    const program = path.join(folder, 'bin', 'ssh');
    const words = lines.map((line) => `printf '%s\\r\\n' '${line.replaceAll("'", "'\\''")}' >&2`);
    await writeFile(program, ['#!/bin/sh', ...words, after, ''].join('\n'));
    await chmod(program, 0o700);
    vi.stubEnv('PATH', `${path.dirname(program)}:${process.env.PATH}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const logged: string[] = [];
    const note = (fields: { event?: string }, text: string) => void logged.push(`${fields.event}: ${text}`);
    const log: Logger = { ...silentLog, info: note, trace: note, child: () => log };
    const person = new ScriptedPrompter([]);
    const deps = { version: 9.2, prompter: person, log, passphrases: new Map<string, string>(), ...more };
    const started = Master.start(
      testOptions({ port: 22, userKnownHostsFile: [path.join(folder, 'known')], ...over }),
      deps,
    );
    started.then(
      (master) => onTestFinished(() => master.close()),
      () => {},
    );
    return { started, person, logged };
  }

  it('ends if a key gives no signature', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { started, logged } = await login([...VERIFIED, SIGNING], 'exec sleep 1000');
    const failed = expect(started).rejects.toMatchObject({
      code: 'SSH_TIMEOUT',
      message: expect.stringMatching(/no signature by key \/home\/you\/.ssh\/id within 120 s; .*touch/),
    });
    while (!logged.some((line) => line.includes('Server accepts key')))
      await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(120_000);
    await failed;
  });

  it('takes what a banner says for the banner', async () => {
    const { started, person, logged } = await login(
      [...VERIFIED, ADDED, 'Permission denied, please try again.', 'bye: Permission denied (x).', LOGGED_IN],
      'echo READY; exec sleep 1000',
    );
    const master = await started;
    expect(logged.filter((line) => line.startsWith('ssh.host-key'))).toEqual([]);
    expect(person.told).toContain('please try again');
    await master.close();
    expect((await master.ended).message).not.toContain('Permission denied');
  });

  it('dials the name for Kerberos, and gives up if it has another address then', async () => {
    const sameHost = { fingerprint: 'SHA256:dmFsaWQ', address: '192.0.2.7' };
    const connecting = (address: string) => [
      `debug1: Connecting to yourserver [${address}] port 22.`,
      'debug1: Connection established.',
      ...VERIFIED,
      LOGGED_IN,
    ];
    const after = 'echo "$@" >&2; echo READY; exec sleep 1000';
    const again = await login(connecting('192.0.2.7'), after, { sameHost }, KERBEROS);
    await again.started;
    expect(again.logged.join('\n')).toContain('GSSAPIAuthentication=yes');
    expect(again.logged.join('\n')).not.toContain('HostName=');
    const elsewhere = await login(connecting('192.0.2.8'), after, { sameHost }, KERBEROS);
    await expect(elsewhere.started).rejects.toMatchObject({
      code: 'SSH_CONNECT',
      message: expect.stringContaining('192.0.2.8'),
    });
    const plain = await login(connecting('192.0.2.7'), after, { sameHost });
    await plain.started;
    expect(plain.logged.join('\n')).toContain('HostName=192.0.2.7');
  });

  it('reports that a host key was added', async () => {
    const { started, logged } = await login(
      [VERIFIED[0] ?? '', ADDED, VERIFIED[1] ?? '', LOGGED_IN],
      'echo READY; exec sleep 1000',
    );
    await started;
    expect(logged).toContain(`ssh.host-key.added: ${ADDED}`);
  });
});
