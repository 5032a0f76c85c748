import { describe, expect, it } from 'vitest';
import { SocksDialogue, type SocksStep } from '../../../src/protocols/socks/dialogue.ts';
import { runSeed, seeded } from '../../support/random.ts';

const text = (value: string) => [...Buffer.from(value)];
const NAME = 'mail.example.com';
const named = (command: number, name: string, port = [0x01, 0xbb]) => [
  ...[5, command, 0, 3],
  name.length,
  ...text(name),
  ...port,
];
const GREETING = [5, 1, 0];
const REFUSED = (code: number) => [5, code, 0, 1, 0, 0, 0, 0, 0, 0];

/** A step with its bytes as numbers, over all pushes. */
function play(chunks: readonly (readonly number[])[]) {
  const dialogue = new SocksDialogue();
  const replies: number[] = [];
  let last: SocksStep = { kind: 'more', reply: new Uint8Array() };
  const rest: number[] = [];
  for (const chunk of chunks) {
    if (last.kind !== 'more') rest.push(...chunk);
    else {
      last = dialogue.push(Uint8Array.from(chunk));
      replies.push(...last.reply);
      if (last.kind === 'connect') rest.push(...last.rest);
    }
  }
  const { reply: _, ...step } = last;
  return { ...step, ...('rest' in step && { rest }), replies, dialogue };
}

describe('a request', () => {
  it.for([
    ['of SOCKS5 for a name', [...GREETING, ...named(1, NAME)], { host: NAME, port: 443 }, [5, 0]],
    ['of SOCKS5 with several methods', [5, 3, 1, 2, 0, ...named(1, NAME)], { host: NAME, port: 443 }, [5, 0]],
    [
      'of SOCKS5 for an IPv4 address',
      [...GREETING, 5, 1, 0, 1, 192, 0, 2, 7, 0, 22],
      { host: '192.0.2.7', port: 22 },
      [5, 0],
    ],
    [
      'of SOCKS5 for an IPv6 address',
      [...GREETING, 5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 9, 0, 80],
      { host: '2001:db8::9', port: 80 },
      [5, 0],
    ],
    [
      'of SOCKS5 for an IPv6 address as a name',
      [...GREETING, ...named(1, '::1', [0, 80])],
      { host: '::1', port: 80 },
      [5, 0],
    ],
    ['of SOCKS4', [4, 1, 0, 80, 192, 0, 2, 7, ...text('kagami'), 0], { host: '192.0.2.7', port: 80 }, []],
    [
      'of SOCKS4a',
      [4, 1, 0, 80, 0, 0, 0, 1, ...text('kagami'), 0, ...text(NAME), 0],
      { host: NAME, port: 80 },
      [],
    ],
  ] as const)('%s is read, with what is sent ahead, in any split', ([, bytes, to, replies]) => {
    const whole = [...bytes, ...text('ahead')];
    const expected = { kind: 'connect', to, rest: text('ahead'), replies: [...replies] };
    expect(play([whole])).toMatchObject(expected);
    expect(play(whole.map((byte) => [byte]))).toMatchObject(expected);
    for (let at = 1; at < whole.length; at++)
      expect(play([whole.slice(0, at), whole.slice(at)])).toMatchObject(expected);
  });

  it.for([
    ['an HTTP proxy request', text('GET http://x/ HTTP/1.1\r\n'), 'http', []],
    ['a TLS ClientHello', [0x16, 3, 1], 'tls', []],
    ['another version', [6, 1], 'version', []],
    ['only methods with a login', [5, 2, 1, 2], 'method', [5, 0xff]],
    ['BIND', [...GREETING, ...named(2, NAME)], 'bind', [5, 0, ...REFUSED(7)]],
    ['UDP', [...GREETING, ...named(3, NAME)], 'udp', [5, 0, ...REFUSED(7)]],
    ['another command', [...GREETING, ...named(9, NAME)], 'request', [5, 0, ...REFUSED(7)]],
    ['an unknown type of address', [...GREETING, 5, 1, 0, 2], 'request', [5, 0, ...REFUSED(8)]],
    ['another version after the greeting', [...GREETING, 4], 'request', [5, 0, ...REFUSED(1)]],
    ['port 0', [...GREETING, ...named(1, NAME, [0, 0])], 'request', [5, 0, ...REFUSED(1)]],
    ['an empty name', [...GREETING, ...named(1, '')], 'request', [5, 0, ...REFUSED(1)]],
    ['the path of a socket', [...GREETING, ...named(1, '/run/x.sock')], 'request', [5, 0, ...REFUSED(1)]],
    ['a line end in a name', [...GREETING, ...named(1, 'a\nb')], 'request', [5, 0, ...REFUSED(1)]],
    ['BIND of SOCKS4', [4, 2, 0, 80, 1, 2, 3, 4, 0], 'bind', [0, 91, 0, 0, 0, 0, 0, 0]],
    [
      'a name without end of SOCKS4a',
      [4, 1, 0, 80, 0, 0, 0, 1, 0, ...text('x'.repeat(300))],
      'request',
      [0, 91, 0, 0, 0, 0, 0, 0],
    ],
    [
      'a user without end of SOCKS4',
      [4, 1, 0, 80, 1, 2, 3, 4, ...text('x'.repeat(300))],
      'request',
      [0, 91, 0, 0, 0, 0, 0, 0],
    ],
  ] as const)('with %s is refused, in any split', ([, bytes, offence, replies]) => {
    const expected = { kind: 'refuse', offence, replies: [...replies] };
    expect(play([bytes])).toMatchObject(expected);
    expect(play(bytes.map((byte) => [byte]))).toMatchObject(expected);
  });
});

describe('the reply', () => {
  const reply = (bytes: readonly number[]) => play([bytes]).dialogue;
  it('of SOCKS5 has the code of the failure', () => {
    const dialogue = reply([...GREETING, ...named(1, NAME)]);
    expect([...dialogue.connected()]).toEqual(REFUSED(0));
    expect([...dialogue.failed('not-allowed')]).toEqual(REFUSED(2));
    expect([...dialogue.failed('network-unreachable')]).toEqual(REFUSED(3));
    expect([...dialogue.failed('host-unreachable')]).toEqual(REFUSED(4));
    expect([...dialogue.failed('refused')]).toEqual(REFUSED(5));
  });
  it('of SOCKS4 is granted or rejected', () => {
    const dialogue = reply([4, 1, 0, 80, 192, 0, 2, 7, 0]);
    expect([...dialogue.connected()]).toEqual([0, 90, 0, 0, 0, 0, 0, 0]);
    expect([...dialogue.failed('refused')]).toEqual([0, 91, 0, 0, 0, 0, 0, 0]);
  });
});

it('random bytes, split at random, always lead to the same step, and hold little', () => {
  const seed = runSeed();
  const random = seeded(seed);
  const below = (n: number) => Math.floor(random() * n);
  const starts = [GREETING, [...GREETING, 5, 1, 0, 3, 4], [4, 1, 0, 80, 0, 0, 0, 1], [5, 255], [4], []];
  for (let round = 0; round < 3000; round++) {
    const bytes = [...(starts[below(starts.length)] ?? [])];
    for (let length = below(600); length > 0; length--) bytes.push(below(4) === 0 ? 0 : below(256));
    const chunks: number[][] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + below(40);
      chunks.push(bytes.slice(at, at + size));
      at += size;
    }
    const { dialogue: _whole, ...whole } = play([bytes]);
    const { dialogue: _split, ...split } = play(chunks);
    expect(split, `SSHFERRY_SEED=${seed}`).toEqual(whole);
    // A request has 2 × 255 bytes at most, besides what is fixed.
    if (whole.kind === 'more') expect(bytes.length).toBeLessThan(800);
  }
});
