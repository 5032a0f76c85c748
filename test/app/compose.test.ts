import { describe, expect, it } from 'vitest';
import { type GatewayDeps, makeComponents, type ResolvedConfig } from '../../src/app/compose.ts';
import { PLUGINS } from '../../src/app/plugins.ts';
import { checkInput } from '../../src/config/check-input.ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import { PRIVATE_SOCKET } from '../../src/core/socket-file.ts';
import type { ResolvedSsh } from '../../src/core/ssh/config/ssh-config.ts';
import { FakeManagedTransport, FakeTransport, quietLog } from '../support/fakes.ts';
import { sshOptions } from '../support/ssh-person.ts';

const FILES = { listen: 8021, server: 'office', to: 'localhost:21', type: 'ftp' } as const;
const MAIL = { listen: 8110, server: 'home', to: 'localhost:110', type: 'pop3' } as const;
const SERVERS = { office: { host: 'office.example.com' }, home: { host: 'home.example.com' } };
const INPUT: ConfigInput = { servers: SERVERS, forwards: { files: FILES, mail: MAIL } };

function resolved(input: ConfigInput, more: { user?: string; gatewayPorts?: boolean } = {}): ResolvedConfig {
  const checked = checkInput(input, PLUGINS);
  if ('issues' in checked) throw new Error(JSON.stringify(checked.issues));
  const { config } = checked;
  const { user = 'you', gatewayPorts = false } = more;
  const logins = new Map(
    Object.entries(config.servers).map(([name, { host }]): [string, ResolvedSsh] => [
      name,
      {
        options: sshOptions({ host, user: name === 'office' ? user : 'you' }),
        gatewayPorts,
        socketFile: PRIVATE_SOCKET,
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

  it('lack a server and a forward that were removed', () => {
    const { office } = SERVERS;
    const after = makeComponents(resolved({ servers: { office }, forwards: { files: FILES } }), deps, before);
    expect([...after.transports.keys()]).toEqual(['office']);
    expect(after.forwards).toEqual([files]);
    expect(after.forwards[0]).toBe(files);
  });
});
