import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { Gateway } from '../../src/core/gateway.ts';
import { processWide } from '../../src/core/process-wide.ts';
import { connection, FakeManagedTransport, FakeTransport, localPeer, quietLog } from '../support/fakes.ts';

/**
 * A value that a module keeps and can change: at the top level, not declared as read-only, not
 * empty bytes.
 */
const KEPT =
  /^(?:export )?(?:let \w+|const \w+(?:: (?!Readonly)[^=]+)? = (?:new (?!Intl\.|AddressError|Uint8Array\(\))\w+|Buffer\.alloc\w*\((?!0\))|\[\];|\{\};)).*$/gm;

function sources(): string[] {
  const names = readdirSync('src', { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.ts')).map((name) => `src/${name}`);
}

function kept(source: string): string[] {
  return [...source.matchAll(KEPT)].map(([line]) => line);
}

it('recognizes what a module keeps', () => {
  const source = [
    'let count = 0;',
    'const seen = new Set<string>();',
    'export const budget = new WindowBudget(1);',
    'const pool = Buffer.allocUnsafe(4096);',
    'const list: string[] = [];',
    'const WORDS: ReadonlySet<string> = new Set([1]);',
    'const NOTHING = Buffer.alloc(0);',
    '  const inner = new Map();',
    "const shared = processWide('turns', () => new Turns());",
  ];
  expect(kept(source.join('\n'))).toEqual(source.slice(0, 5));
});

it('modules keep nothing that two gateways would share, beyond what process-wide.ts names', () => {
  const files = sources().filter((file) => !file.endsWith('core/process-wide.ts'));
  expect(files.length).toBeGreaterThan(200);
  const found = files.flatMap((file) => kept(readFileSync(file, 'utf8')).map((line) => `${file}: ${line}`));
  expect(found).toEqual([]);
});

it('every shared value is named with its file', () => {
  const head = readFileSync('src/core/process-wide.ts', 'utf8');
  for (const file of sources()) {
    const source = readFileSync(file, 'utf8');
    if (/= processWide\(|setFlagsFromString\(/.test(source)) expect(head).toContain(file.replace('src/', ''));
  }
});

it('a shared value is made once', () => {
  const first = processWide('turns', () => ({}));
  expect(processWide('turns', () => ({}))).toBe(first);
});

it('two gateways of one process count, number and stop their sessions apart', async () => {
  const gateways = await Promise.all([started(), started()]);
  const clients = gateways.map(({ connect }) => connect());
  await turn();
  expect(gateways.map(({ gateway }) => gateway.sessions)).toEqual([1, 1]);
  expect(gateways.map(({ sessions }) => sessions)).toEqual([[1], [1]]);
  expect(clients.map(({ heard }) => heard())).toEqual(['', '']);
  const stopped = gateways[0]?.gateway.stop();
  await once(clients[0]?.theirs ?? expect.unreachable(), 'end');
  clients[0]?.theirs.end();
  await stopped;
  expect(gateways.map(({ gateway }) => gateway.sessions)).toEqual([0, 1]);
  expect(clients[1]?.theirs.readableEnded).toBe(false);
  clients[1]?.theirs.destroy();
  await gateways[1]?.gateway.stop();
});

/** A gateway with room for one session, which serves until it ends. */
async function started() {
  const local = new FakeTransport();
  const gateway = new Gateway({
    transports: new Map([['yourserver', new FakeManagedTransport()]]),
    local,
    log: quietLog,
    maxSessions: 1,
    forwards: [
      {
        name: 'files',
        direction: 'local',
        plugin: {
          name: 'wait',
          schema: z.unknown(),
          defaultPorts: [],
          run: async ({ signal }) => {
            await once(signal, 'abort');
            throw signal.reason;
          },
          refusal: () => Buffer.from('no'),
        },
        pluginConfig: undefined,
        server: 'yourserver',
        bind: { host: '127.0.0.1', port: 8021 },
        target: { host: 'localhost', port: 7 },
      },
    ],
  });
  const sessions: number[] = [];
  gateway.events.on('session.start', ({ session }) => sessions.push(session));
  const ready = gateway.start();
  await turn();
  local.listeners[0]?.grant();
  await ready;
  const connect = () => {
    const { ours, theirs } = connection();
    let text = '';
    theirs.on('data', (chunk) => {
      text += chunk;
    });
    local.listeners[0]?.onStream(ours, localPeer);
    return { theirs, heard: () => text };
  };
  return { gateway, sessions, connect };
}
