import { readFile, writeFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { makeComponents, type ResolvedConfig } from '../../../src/app/compose.ts';
import { PLUGINS } from '../../../src/app/plugins.ts';
import { checkInput } from '../../../src/config/check-input.ts';
import { type Authority, endOfSuite, makeAuthority } from '../../support/certificates.ts';
import { FakeManagedTransport, FakeTransport, quietLog } from '../../support/fakes.ts';
import { identityFiles } from '../../support/listen-tls.ts';
import { describeWith } from '../../support/openssh.ts';

const TEST = { onTestFinished };
const deps = {
  plugins: PLUGINS,
  local: new FakeTransport(),
  connect: () => new FakeManagedTransport(),
  log: quietLog,
  env: { SSL_CERT_FILE: '/nowhere' },
};

describeWith(['openssl'], 'certificate files that change while sshferry runs', () => {
  const suite = endOfSuite();
  const authorities = Promise.all([makeAuthority(suite), makeAuthority(suite)]);
  const issue = (authority: Authority) => authority.issue({ names: ['localhost'] });

  /** A configuration of two forwards: one with TLS to clients, one with TLS to its target. */
  async function configured() {
    const [first] = await authorities;
    const files = await identityFiles(TEST, await issue(first));
    const { cert: ca } = await identityFiles(TEST, { cert: first.cert, key: '' });
    const input = {
      servers: { office: { host: 'office' } },
      forwards: {
        near: { listen: 1, server: 'office', to: 'localhost:21', listenTls: files },
        far: { listen: 2, server: 'office', to: 'mail:995', type: 'pop3s', tls: { ca } },
        plain: { listen: 3, server: 'office', to: 'localhost:110' },
      },
    } as const;
    const checked = checkInput(input, PLUGINS);
    if (!('config' in checked)) throw new Error(JSON.stringify(checked));
    const resolved: ResolvedConfig = { config: checked.config, logins: new Map(), written: input };
    return { files, ca, resolved, before: makeComponents(resolved, deps) };
  }

  it('are for clients that may do without TLS on loopback and on a Unix socket only', async () => {
    const [first] = await authorities;
    const listenTls = await identityFiles(TEST, await issue(first));
    const to = 'localhost:21';
    const input = {
      servers: { office: { host: 'office' } },
      forwards: {
        loopback: { listen: 1, server: 'office', to, listenTls },
        socket: { listen: '/run/ftp.sock', server: 'office', to, listenTls },
        network: { listen: '*:2', server: 'office', to, listenTls },
      },
    } as const;
    const checked = checkInput(input, PLUGINS);
    if (!('config' in checked)) throw new Error(JSON.stringify(checked));
    const { forwards } = makeComponents({ config: checked.config, logins: new Map(), written: input }, deps);
    expect(forwards.map(({ name, listenTls: tls }) => [name, tls?.required])).toEqual([
      ['loopback', false],
      ['socket', false],
      ['network', true],
    ]);
  });

  it('change nothing about a forward unless their content does', async () => {
    const { resolved, before } = await configured();
    const after = makeComponents(resolved, deps, before);
    expect(after.renewals).toEqual([]);
    expect(after.forwards.map((spec, index) => spec === before.forwards[index])).toEqual([true, true, true]);
  });

  it('are taken over by forwards that keep their clients', async () => {
    const { files, ca, resolved, before } = await configured();
    const [first, second] = await authorities;
    const fresh = await issue(first);
    await writeFile(files.cert, fresh.cert);
    await writeFile(files.key, fresh.key);
    await writeFile(ca, second.cert);
    const after = makeComponents(resolved, deps, before);
    expect(after.renewals.map(({ forward }) => forward)).toEqual(['near', 'far']);
    expect(after.forwards.map((spec, index) => spec === before.forwards[index])).toEqual([true, true, true]);
    for (const renewal of after.renewals) renewal.apply();
    expect(makeComponents(resolved, deps, after).renewals).toEqual([]);
  });

  it.each([
    [
      'nothing of a key',
      'key',
      () => 'nothing',
      /^forward near: listenTls\.key: .*: the file holds no private key/,
    ],
    ['an empty certificate', 'cert', () => '', /^forward near: listenTls\.cert: /],
    ['garbage', 'cert', () => '\0\xff'.repeat(5000), /^forward near: listenTls\.cert: /],
    ['a certificate that is written by half', 'cert', (old: string) => old.slice(0, 300), /^forward near: /],
    ['a certificate cut within its base64', 'cert', cutInside, /^forward near: /],
    ['no authority', 'ca', () => 'nothing', /^forward far: tls\.ca: .* holds no certificate/],
    [
      'an authority that is written by half',
      'ca',
      (old: string) => old.slice(0, 300),
      /^forward far: tls\.ca: /,
    ],
  ] as const)('are refused as a whole if one is wrong: %s', async (_what, which, change, message) => {
    const { files, ca, resolved, before } = await configured();
    const file = which === 'ca' ? ca : files[which];
    const old = await readFile(file, 'utf8');
    await writeFile(file, change(old));
    expect(() => makeComponents(resolved, deps, before)).toThrow(message);
    await writeFile(file, old);
    expect(makeComponents(resolved, deps, before).renewals).toEqual([]);
  });
});

/** Takes a few lines out of a PEM file. */
function cutInside(pem: string): string {
  const lines = pem.split('\n');
  return [...lines.slice(0, 3), ...lines.slice(5)].join('\n');
}
