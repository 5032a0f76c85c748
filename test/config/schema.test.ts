import { homedir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { PLUGINS } from '../../src/app/plugins.ts';
import { configSchema } from '../../src/config/schema.ts';
import { plugins } from './plugins.ts';

const schema = configSchema(plugins);
const file = {
  servers: { office: { host: 'yourserver.example.com', user: 'kagami' } },
  forwards: {
    'mail-in': { listen: 8110, server: 'office', to: 'localhost:110' },
    files: { listen: '*:8021', server: 'office', to: 'localhost:2121', type: 'ftp', ftp: { prefetch: true } },
  },
};

test('the content of a file becomes a Config', () => {
  expect(schema.parse(file)).toMatchObject({
    servers: { office: { host: 'yourserver.example.com', user: 'kagami', session: true } },
    forwards: {
      'mail-in': {
        type: 'pop3',
        listen: { host: null, port: 8110 },
        to: { host: 'localhost', port: 110 },
        options: {},
      },
      files: {
        type: 'ftp',
        listen: { host: '*', port: 8021 },
        options: { prefetch: true, maxDataPorts: 16 },
      },
    },
    log: { level: 'info' },
  });
});

const forward = (changes: object) => ({
  ...file,
  forwards: { f: { ...file.forwards['mail-in'], ...changes } },
});

test('sockets and SOCKS become a Config', () => {
  const forwards = {
    app: { listen: 8080, server: 'office', to: '/run/app.sock' },
    near: { listen: '~/near.sock', server: 'office', to: 'localhost:21' },
    proxy: { listen: 1080, server: 'office', type: 'socks' },
    back: { listen: '/run/back.sock', server: 'office', to: './here.sock', direction: 'remote' },
  };
  expect(schema.parse({ ...file, forwards }).forwards).toMatchObject({
    app: { type: 'tcp', listen: { host: null, port: 8080 }, to: { unix: '/run/app.sock' } },
    near: { type: 'tcp', listen: { host: path.join(homedir(), 'near.sock'), port: 0 } },
    proxy: { type: 'socks', listen: { host: null, port: 1080 }, to: { dynamic: true } },
    back: { listen: { host: '/run/back.sock', port: 0 }, to: { unix: path.resolve('here.sock') } },
  });
});

test.each([
  [forward({ type: 'socks' }), 'forwards.f.type', 'type socks takes no target: its clients name it'],
  [forward({ type: 'ftp', to: '/run/x.sock' }), 'forwards.f.type', 'neither end can be a Unix socket'],
  [forward({ type: 'ftp', listen: '/run/x.sock' }), 'forwards.f.type', 'neither end can be a Unix socket'],
  [forward({ to: './x.sock' }), 'forwards.f.to', "'./x.sock' is not absolute"],
  [forward({ direction: 'remote', listen: '~/x.sock' }), 'forwards.f.listen', 'is not absolute'],
  [forward({ to: '/run/', type: 'tcp' }), 'forwards.f.to', 'is a folder'],
  [forward({ to: '/run/x.sock', tls: {}, type: 'tcp' }), 'forwards.f.tls', 'TLS to a Unix socket'],
  [forward({ to: 'localhost' }), 'forwards.f.to', 'the target port is missing'],
  [forward({ listen: 'a:b:c' }), 'forwards.f.listen', 'too many colons'],
  [forward({ listen: 70000 }), 'forwards.f.listen', "the port to listen on '70000' is invalid"],
  [forward({ ftp: {} }), 'forwards.f.ftp', 'the type of this forward is pop3'],
  [forward({ type: 'gopher' }), 'forwards.f.type', 'ftp'],
  [forward({ lissten: 1 }), 'forwards.f', 'lissten'],
  [forward({ type: 'ftp', ftp: { prefech: true } }), 'forwards.f.ftp', 'prefech'],
  [{ ...file, servers: { office: {} } }, 'servers.office.host', 'expected string'],
])('%j is refused with its place', (input, where, message) => {
  const issues = schema.safeParse(input).error?.issues ?? [];
  expect(issues.map((issue) => [issue.path.join('.'), issue.message])).toContainEqual([
    where,
    expect.stringContaining(message),
  ]);
});

test('the JSON Schema for editors has every protocol', () => {
  const json = z.toJSONSchema(configSchema(PLUGINS), { io: 'input' });
  expect(Object.keys(json.properties ?? {})).toEqual([
    'servers',
    'forwards',
    'groups',
    'log',
    'localUsers',
    'drainTimeout',
  ]);
  for (const { name } of PLUGINS) expect(JSON.stringify(json)).toContain(`"${name}":{`);
});
