import { describe, expect, it } from 'vitest';
import { type GatewayDeps, makeComponents, type ResolvedConfig } from '../../src/app/compose.ts';
import { PLUGINS } from '../../src/app/plugins.ts';
import { checkInput } from '../../src/config/check-input.ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import { PRIVATE_SOCKET, type SocketFile } from '../../src/core/socket-file.ts';
import type { ResolvedSsh } from '../../src/core/ssh/config/ssh-config.ts';
import { FakeManagedTransport, FakeTransport, quietLog } from '../support/fakes.ts';
import { sshOptions } from '../support/ssh-person.ts';

const FILES = { listen: 8021, server: 'office', to: 'localhost:21', type: 'ftp' } as const;
const MAIL = { listen: 8110, server: 'home', to: 'localhost:110', type: 'pop3' } as const;
const SERVERS = { office: { host: 'office.example.com' }, home: { host: 'home.example.com' } };
const INPUT: ConfigInput = { servers: SERVERS, forwards: { files: FILES, mail: MAIL } };

interface More {
  user?: string;
  gatewayPorts?: boolean;
  socketFile?: SocketFile;
}

function resolved(input: ConfigInput, more: More = {}): ResolvedConfig {
  const checked = checkInput(input, PLUGINS);
  if ('issues' in checked) throw new Error(JSON.stringify(checked.issues));
  const { config } = checked;
  const { user = 'you', gatewayPorts = false, socketFile = PRIVATE_SOCKET } = more;
  const logins = new Map(
    Object.entries(config.servers).map(([name, { host }]): [string, ResolvedSsh] => [
      name,
      {
        options: sshOptions({ host, user: name === 'office' ? user : 'you' }),
        gatewayPorts,
        socketFile,
        permitRemoteOpen: 'any',
        forwards: { local: [], remote: [], dynamic: [] },
        notes: [],
      },
    ]),
  );
  return { config, logins, written: input };
}

const deps: GatewayDeps = {
  plugins: PLUGINS,
  local: new FakeTransport(),
  connect: () => new FakeManagedTransport(),
  log: quietLog,
  env: {},
};

describe('components of a configuration', () => {
  it('are a transport for each server and a specification for each forward', () => {
    const { transports, forwards } = makeComponents(resolved(INPUT), deps);
    expect([...transports.keys()]).toEqual(['office', 'home']);
    expect(forwards).toMatchObject([
      { name: 'files', server: 'office', plugin: { name: 'ftp' }, target: { host: 'localhost', port: 21 } },
      { name: 'mail', server: 'home', plugin: { name: 'pop3' }, target: { host: 'localhost', port: 110 } },
    ]);
    expect(forwards.map(({ bind }) => bind)).toEqual([
      { host: 'localhost', port: 8021 },
      { host: 'localhost', port: 8110 },
    ]);
  });

  it('listen on every interface where ssh_config has GatewayPorts', () => {
    const { forwards } = makeComponents(resolved(INPUT, { gatewayPorts: true }), deps);
    expect(forwards.map(({ bind }) => bind.host)).toEqual(['*', '*']);
  });

  it('refuse a type without a plugin', () => {
    expect(() => makeComponents(resolved(INPUT), { ...deps, plugins: [] })).toThrow(
      "forward files: unknown type 'ftp'",
    );
  });
});

describe('components of a configuration that follows another', () => {
  const before = makeComponents(resolved(INPUT), deps);
  const [files, mail] = before.forwards;

  it('are the same objects where nothing changed', () => {
    const after = makeComponents(resolved(INPUT), deps, before);
    expect(
      [...after.transports.values()].every((each, i) => each === [...before.transports.values()][i]),
    ).toBe(true);
    expect(after.forwards.map((each, i) => each === before.forwards[i])).toEqual([true, true]);
  });

  it('are a new forward alone where its lines changed', () => {
    const forwards = { files: { ...FILES, to: 'localhost:2121' }, mail: MAIL };
    const after = makeComponents(resolved({ servers: SERVERS, forwards }), deps, before);
    expect(after.transports.get('office')).toBe(before.transports.get('office'));
    expect(after.forwards[0]).not.toBe(files);
    expect(after.forwards[0]?.target).toEqual({ host: 'localhost', port: 2121 });
    expect(after.forwards[1]).toBe(mail);
  });

  it('are a new transport and its forwards where the login changed', () => {
    const after = makeComponents(resolved(INPUT, { user: 'other' }), deps, before);
    expect(after.transports.get('office')).not.toBe(before.transports.get('office'));
    expect(after.transports.get('home')).toBe(before.transports.get('home'));
    expect(after.forwards[0]).not.toBe(files);
    expect(after.forwards[1]).toBe(mail);
  });

  it('are a new forward alone where ssh_config creates its Unix socket in another way', () => {
    const forwards = { files: FILES, web: { ...MAIL, listen: '/run/web.sock' } };
    const input = { servers: SERVERS, forwards };
    const first = makeComponents(resolved(input), deps);
    const socketFile = { mask: 0o111, unlink: true };
    const after = makeComponents(resolved(input, { socketFile }), deps, first);
    expect(after.forwards[0]).toBe(first.forwards[0]);
    expect(after.forwards[1]?.socketFile).toEqual(socketFile);
  });

  it('lack a server and a forward that were removed', () => {
    const { office } = SERVERS;
    const after = makeComponents(resolved({ servers: { office }, forwards: { files: FILES } }), deps, before);
    expect([...after.transports.keys()]).toEqual(['office']);
    expect(after.forwards).toEqual([files]);
    expect(after.forwards[0]).toBe(files);
  });
});
