import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, type TestContext, vi } from 'vitest';
import { type AnyPlugin, pluginNamed } from '../../src/app/plugins.ts';
import { check } from '../../src/check/check.ts';
import type { Findings, Step } from '../../src/check/report.ts';
import type { Endpoint } from '../../src/core/endpoint.ts';
import type { ForwardSpec } from '../../src/core/forward.ts';
import { DirectTransport } from '../../src/core/local/tcp-transport.ts';
import { silentLogger } from '../../src/core/log.ts';
import { ProbeFailure } from '../../src/core/probe/failure.ts';
import { sshTransport } from '../../src/core/ssh/transport.ts';
import type { TargetTls } from '../../src/core/target-tls.ts';
import { makeAuthority } from '../support/certificates.ts';
import { activeResources } from '../support/gateway.ts';
import { describeWith } from '../support/openssh.ts';
import { type FtpPeer, ScriptedFtpServer } from '../support/scripted-ftp-server.ts';
import { testOptions } from '../support/ssh-login.ts';
import { ScriptedPrompter } from '../support/ssh-person.ts';
import { type SshServerOptions, startSshServer } from '../support/ssh-server.ts';
import { listenTcp } from '../support/tcp.ts';
import { tlsFtpServer } from '../support/tls-ftp-server.ts';
import { forwardTls } from '../support/tls-settings.ts';

const PASSWORD = 'Quince-7719-jam';

interface Setup {
  /** A built-in protocol by its name, or a plugin. */
  readonly type: string | AnyPlugin;
  readonly target: Endpoint;
  readonly tls?: TargetTls;
  readonly ssh?: SshServerOptions;
  /** What the person answers after the SSH password. */
  readonly answers?: (string | Error)[];
  readonly ftpUser?: string;
  readonly netrc?: string;
  readonly writes?: boolean;
  /** In milliseconds. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: Step) => void;
}

/** Checks one forward behind a test SSH server, where a person logs in with a password. */
async function checkOne(
  test: TestContext,
  setup: Setup,
): Promise<{ findings: Findings; person: ScriptedPrompter }> {
  const { type, target, ssh: how, answers = [], timeout = 5000 } = setup;
  const ssh = await startSshServer(how);
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-check-'));
  test.onTestFinished(async () => {
    await ssh.close();
    await rm(dir, { recursive: true });
  });
  const knownHosts = path.join(dir, 'known_hosts');
  await writeFile(knownHosts, `[127.0.0.1]:${ssh.port} ${ssh.hostKey.line}\n`);
  const netrc = path.join(dir, 'netrc');
  await writeFile(netrc, setup.netrc ?? '', { mode: 0o600 });
  const plugin = typeof type === 'string' ? pluginNamed(type) : type;
  if (plugin === undefined) throw new Error(`no plugin ${type}`);
  const forward: ForwardSpec = {
    name: 'it',
    direction: 'local',
    plugin,
    pluginConfig: plugin.schema.parse({}),
    server: 'office',
    bind: { host: 'localhost', port: 0 },
    target,
    tls: setup.tls,
  };
  const person = new ScriptedPrompter(['demo', ...answers]);
  const findings = await check(
    {
      servers: new Map([['office', testOptions({ port: ssh.port, userKnownHostsFile: [knownHosts] })]]),
      forwards: [forward],
    },
    {
      local: new DirectTransport(),
      log: silentLogger,
      connect: (_, options, prompter, progress) => sshTransport(options, prompter, silentLogger, progress),
      prompter: person,
      targetUser: setup.ftpUser ?? null,
      netrc,
      writes: setup.writes ?? false,
      timeout,
      signal: setup.signal ?? new AbortController().signal,
      own: '/nonexistent',
    },
    { server() {}, forward() {}, step: setup.onStep ?? (() => {}) },
  );
  expect(JSON.stringify(findings)).not.toContain(PASSWORD);
  await vi.waitFor(() => expect([ssh.connections, ssh.channels]).toEqual([0, 0]));
  return { findings, person };
}

/** The steps of the forward as `name outcome`, with the code of a failed one. */
function told({ forwards }: Findings): string[] {
  return (forwards[0]?.steps ?? []).map((s) => `${s.name} ${s.outcome}${s.code ? ` ${s.code}` : ''}`);
}

function last({ forwards }: Findings): Step | undefined {
  return forwards[0]?.steps.at(-1);
}

/** An FTP server that lets `act` deal with its one control connection. */
async function ftpServer(test: TestContext, act: (peer: FtpPeer) => Promise<void>): Promise<Endpoint> {
  const server = await ScriptedFtpServer.start(test);
  void server
    .accept()
    .then(act)
    .catch(() => {});
  return { host: server.host, port: server.port };
}

/** Up to and with the login of `alice`. */
async function letIn(peer: FtpPeer): Promise<void> {
  peer.reply('220 ready');
  await peer.expect('USER alice', '331 password?');
  await peer.expect(`PASS ${PASSWORD}`, '230 in');
}

const ASKED = { ftpUser: 'alice', answers: [PASSWORD] };
const GREETED = ['listen ok', 'reach ok', 'greeting ok'];

describe('check of FTP', () => {
  it('asks for the password, lists over PASV if there is no EPSV, and says goodbye', async (test) => {
    let left = '';
    const target = await ftpServer(test, async (peer) => {
      await letIn(peer);
      await peer.expect('EPSV', '500 what?');
      const data = await peer.passive();
      const socket = data.accept();
      await peer.expect('LIST', '150 here');
      (await socket).end('-rw-r--r-- secret-name\r\ndrwx other\r\n');
      peer.reply('226 done');
      left = await peer.command();
      peer.reply('221 bye');
      peer.control.end();
    });
    const { findings, person } = await checkOne(test, { type: 'ftp', target, ...ASKED });
    expect(told(findings)).toEqual([...GREETED, 'tls ok', 'ftp-login ok', 'data-port ok', 'listing ok']);
    expect(findings.works).toBe(true);
    expect(last(findings)?.text).toBe('2 lines, 36 bytes through a data connection');
    expect(left).toBe('QUIT');
    expect(person.asked.at(-1)).toEqual({
      question: `FTP password of alice at 127.0.0.1:${target.port} behind yourserver: `,
      echo: false,
    });
    expect(JSON.stringify(findings)).not.toContain('secret-name');
  });

  describe('with a write test', () => {
    const LISTED = [...GREETED, 'tls ok', 'ftp-login ok', 'data-port ok', 'listing ok'];

    interface Conduct {
      /** The reply to an upload, once it has come. */
      readonly stored?: string;
      /** What comes back instead of the upload; null: 550. */
      readonly returned?: (content: Buffer) => Buffer | null;
      readonly removed?: string;
    }

    /** Serves one login; returns the names of the uploads and the commands about them. */
    async function serving(test: TestContext, conduct: Conduct) {
      const { stored = '226 stored', returned = (content) => content, removed = '250 gone' } = conduct;
      const names: string[] = [];
      const after: string[] = [];
      const target = await ftpServer(test, async (peer) => {
        await letIn(peer);
        let data = await peer.listenData();
        let content = Buffer.alloc(0);
        for (;;) {
          const line = await peer.command();
          const [verb = '', name = ''] = line.split(' ');
          if (verb === 'EPSV' || verb === 'PASV') {
            data = await peer.listenData();
            peer.replyPassive(verb, data.port);
          } else if (verb === 'LIST') {
            peer.reply('150 here');
            (await data.accept()).end();
            peer.reply('226 done');
          } else if (verb === 'STOR') {
            names.push(name);
            peer.reply('150 go on');
            const socket = await data.accept();
            const chunks: Buffer[] = [];
            for await (const chunk of socket) chunks.push(chunk);
            socket.end();
            content = Buffer.concat(chunks);
            peer.reply(stored);
          } else if (verb === 'RETR') {
            after.push(line);
            const back = returned(content);
            if (back === null) peer.reply('550 not for you');
            else {
              peer.reply('150 here');
              (await data.accept()).end(back);
              peer.reply('226 sent');
            }
          } else if (verb === 'DELE') {
            after.push(line);
            peer.reply(removed);
          } else if (verb === 'QUIT') {
            peer.reply('221 bye');
            peer.control.end();
          } else peer.reply('200 yes');
        }
      });
      return { target, names, after };
    }

    it.for<[string, Conduct, readonly string[], readonly string[]]>([
      ['writes, reads back and removes', {}, ['write ok', 'read-back ok', 'remove ok'], ['RETR', 'DELE']],
      [
        'sees other bytes, and removes them',
        { returned: (content) => Buffer.from(content).fill(0) },
        ['write ok', 'read-back failed FTP_REFUSED', 'remove ok'],
        ['RETR', 'DELE'],
      ],
      [
        'removes what an upload that failed has left',
        { stored: '452 disk full' },
        ['write failed FTP_REFUSED'],
        ['DELE'],
      ],
      [
        'says that it could not remove the file',
        { returned: () => null, removed: '550 not for you' },
        ['write ok', 'read-back failed FTP_REFUSED', 'remove failed FTP_REFUSED'],
        ['RETR', 'DELE'],
      ],
    ])('%s', async ([, conduct, steps, commands], test) => {
      const { target, names, after } = await serving(test, conduct);
      const { findings } = await checkOne(test, { type: 'ftp', target, writes: true, ...ASKED });
      expect(told(findings)).toEqual([...LISTED, ...steps]);
      const [name = ''] = names;
      expect(name).toMatch(/^sshferry-check-[0-9a-f]{16}\.tmp$/);
      expect(after).toEqual(commands.map((verb) => `${verb} ${name}`));
      if (conduct.removed) expect(last(findings)?.text).toContain(`${name} is left in the folder`);
    });
  });

  it('takes the login from the .netrc, and does not ask', async (test) => {
    const target = await ftpServer(test, async (peer) => {
      await letIn(peer);
      while ((await peer.command()) !== 'QUIT') peer.reply('425 no ports');
      peer.control.end();
    });
    const netrc = `machine yourserver login alice password ${PASSWORD}\n`;
    const { findings, person } = await checkOne(test, { type: 'ftp', target, netrc });
    expect(told(findings)).toEqual([...GREETED, 'tls ok', 'ftp-login ok', 'data-port failed FTP_REFUSED']);
    expect(last(findings)?.text).toMatch(/names no data port: "425 no ports"; passive mode/);
    expect(person.asked).toHaveLength(1);
  });

  it('quotes no password that the server repeats', async (test) => {
    const target = await ftpServer(test, async (peer) => {
      peer.reply('220 ready');
      await peer.expect('USER', '331 password?');
      await peer.expect('PASS', `530 alice/${PASSWORD} is wrong`);
    });
    const { findings } = await checkOne(test, { type: 'ftp', target, ...ASKED });
    expect(last(findings)).toMatchObject({ name: 'ftp-login', code: 'FTP_LOGIN' });
    expect(last(findings)?.text).toContain('"530 alice/[password] is wrong"');
  });

  it('tells a cancelled password prompt from a rejected password', async (test) => {
    const target = await ftpServer(test, async (peer) => {
      peer.reply('220 ready');
      await peer.expect('USER', '331 password?');
    });
    const { findings } = await checkOne(test, {
      type: 'ftp',
      target,
      ftpUser: 'alice',
      answers: [new Error('interrupted')],
    });
    expect(told(findings).at(-1)).toBe('ftp-login failed ABANDONED');
  });

  it.for([
    ['at USER', ['530 Non-anonymous sessions must use encryption.'], 'tls'],
    ['at USER, as proftpd', ['550 SSL/TLS required on the control channel'], 'tls'],
    ['at PASS', ['331 password?', '530 Please use TLS first'], 'ftp-login'],
  ] as const)('reports a server that demands TLS %s', async ([, [user = '', pass = ''], step], test) => {
    const target = await ftpServer(test, async (peer) => {
      peer.reply('220 ready');
      await peer.expect('USER', user);
      await peer.expect('PASS', pass);
    });
    const { findings } = await checkOne(test, { type: 'ftp', target, ...ASKED });
    expect(told(findings).at(-1)).toBe(`${step} failed TLS_REQUIRED`);
    expect(last(findings)?.text).toMatch(/TLSRequired off/);
  });

  it('reports a data connection that hangs, and how long it waited', async (test) => {
    const target = await ftpServer(test, async (peer) => {
      await letIn(peer);
      const data = await peer.passive();
      await peer.expect('LIST', '150 here');
      await data.accept();
      await peer.command();
    });
    const { findings } = await checkOne(test, { type: 'ftp', target, ...ASKED, timeout: 500 });
    expect(told(findings).at(-1)).toBe('listing failed NO_ANSWER');
    expect(last(findings)?.text).toMatch(/within 0\.5 s/);
  });

  it("reports the SSH server's reason for refusing the data port, not the FTP reply made from it", async (test) => {
    const target = await ftpServer(test, async (peer) => {
      await letIn(peer);
      await peer.passive();
    });
    const allowForward: SshServerOptions['allowForward'] = ({ port }) => port === target.port || 'prohibited';
    const { findings } = await checkOne(test, { type: 'ftp', target, ...ASKED, ssh: { allowForward } });
    expect(told(findings).at(-1)).toMatch(/^(data-port|listing) failed CHANNEL_REFUSED$/);
    expect(last(findings)?.text).toMatch(/^yourserver does not allow forwarding to .*PermitOpen/);
  });
});

describe('check of other protocols', () => {
  it.for([
    ['pop3', '+OK ready\r\n', 'greeting ok'],
    ['smtp', '220-one moment\r\n220 ready\r\n', 'greeting ok'],
    ['imap', '* PREAUTH as you\r\n', 'greeting ok'],
    ['pop3', '-ERR too busy\r\n', 'greeting failed WRONG_GREETING'],
    ['smtp', '554 no\r\n', 'greeting failed WRONG_GREETING'],
    ['imap', '* BYE later\r\n', 'greeting failed WRONG_GREETING'],
    ['imap', 'SSH-2.0-x\r\n', 'greeting failed WRONG_GREETING'],
    ['pop3', `+OK ${'x'.repeat(9000)}\r\n`, 'greeting failed WRONG_GREETING'],
    ['smtp', '', 'greeting failed HUNG_UP'],
  ] as const)('reads the greeting of %s: %.20s', async ([type, text, expected], test) => {
    const target = await listenTcp(test, (socket) => {
      socket.on('data', () => socket.end()).on('end', () => socket.end());
      if (text === '') socket.end();
      else socket.write(text);
    });
    const { findings } = await checkOne(test, { type, target });
    expect(told(findings)).toEqual(['listen ok', 'reach ok', expected]);
  });

  it('only connects, for plain TCP', async (test) => {
    const target = await listenTcp(test, () => {});
    expect(told((await checkOne(test, { type: 'tcp', target })).findings)).toEqual(['listen ok', 'reach ok']);
  });

  it('lets a custom plugin probe its own protocol', async (test) => {
    const target = await listenTcp(test, (socket) => {
      socket.on('error', () => {}).write('200 news\r\n');
    });
    const nntp: AnyPlugin = {
      ...(pluginNamed('tcp') as AnyPlugin),
      name: 'nntp',
      greet: async (client) => {
        const line = (await client.line()).toString().trim();
        if (!line.startsWith('200')) throw new ProbeFailure('WRONG_GREETING', line);
        return line;
      },
    };
    const { findings } = await checkOne(test, { type: nntp, target });
    expect(told(findings)).toEqual(['listen ok', 'reach ok', 'greeting ok']);
    expect(last(findings)?.text).toBe('200 news');

    const probing: AnyPlugin = {
      ...nntp,
      probe: async ({ client, steps }) => {
        await steps.take('news', () => client.line().then(String));
        await steps.take('groups', () => Promise.reject(new ProbeFailure('HUNG_UP', 'none')));
        steps.skipped('articles', 'no groups');
      },
    };
    const { findings: probed } = await checkOne(test, { type: probing, target });
    const steps = ['listen ok', 'reach ok', 'news ok', 'groups failed HUNG_UP', 'articles skipped'];
    expect(told(probed)).toEqual(steps);
    expect(probed.works).toBe(false);
  });

  it('reports an SSH server that does not answer the request for a target', async (test) => {
    const target = { host: '127.0.0.1', port: 9 };
    const ssh = { allowForward: () => new Promise<never>(() => {}) };
    const { findings } = await checkOne(test, { type: 'tcp', target, ssh, timeout: 500 });
    expect(told(findings)).toEqual(['listen ok', 'reach failed NO_ANSWER']);
  });

  it('ends at once when it is aborted, and leaves nothing behind', async (test) => {
    const target = await listenTcp(test, () => {});
    const before = activeResources();
    const abort = new AbortController();
    const reason = new Error('enough');
    const steps: string[] = [];
    const onStep = ({ name }: Step) => {
      steps.push(name);
      if (name === 'reach') setImmediate(() => abort.abort(reason));
    };
    const broken = checkOne(test, { type: 'pop3', target, timeout: 60_000, signal: abort.signal, onStep });
    await expect(broken).rejects.toBe(reason);
    expect(steps).toEqual(['connect', 'host-key', 'login', 'listen', 'reach']);
    expect(activeResources().Timeout ?? 0).toBeLessThanOrEqual(before.Timeout ?? 0);
  });
});

describeWith(['openssl'], 'check of a target with TLS', () => {
  it('tries the handshake, and then as without TLS', async (test) => {
    const authority = await makeAuthority(test);
    const issued = await authority.issue({ names: ['ftp.example.com'] });
    const { host, port, said } = await tlsFtpServer(test, issued);
    const tls = forwardTls('ftp', { mode: 'upgrade', ca: authority.file });
    const { findings } = await checkOne(test, { type: 'ftp', target: { host, port }, tls, ...ASKED });
    expect(findings.works).toBe(true);
    const [, , handshake] = findings.forwards[0]?.steps ?? [];
    expect(handshake).toMatchObject({
      name: 'target-tls',
      outcome: 'ok',
      text: expect.stringMatching(/^TLSv1\.3 \(TLS_\w+\), certificate for ftp\.example\.com, \d+ days left$/),
    });
    expect(told(findings).slice(2, 6)).toEqual(['target-tls ok', 'greeting ok', 'tls ok', 'ftp-login ok']);
    expect(said.clear).toEqual(['AUTH TLS', 'AUTH TLS']);
    const listing = findings.forwards[0]?.steps.find(({ name }) => name === 'listing');
    expect(listing?.text).toMatch(/ with TLS \(TLSv1\.3, the control connection's session\)$/);
  });

  it('reports a certificate that is not accepted, and goes no further', async (test) => {
    const authority = await makeAuthority(test);
    const issued = await authority.issue({ names: ['other.example.com'] });
    const { host, port } = await tlsFtpServer(test, issued);
    const tls = forwardTls('ftp', { mode: 'upgrade', ca: authority.file });
    const { findings } = await checkOne(test, { type: 'ftp', target: { host, port }, tls, ...ASKED });
    expect(told(findings)).toEqual(['listen ok', 'reach ok', 'target-tls failed TLS_CERTIFICATE']);
    expect(last(findings)?.text).toMatch(/for another name.*TlsServerName=other\.example\.com/);
    expect(findings.works).toBe(false);
  });
});
