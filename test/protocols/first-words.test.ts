import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FirstWords, type FirstWordsOptions, type Offence } from '../../src/protocols/first-words.ts';
import { BROWSER_BYTES, CLIENT_HELLO, TURN_ALLOCATE } from '../support/browser-bytes.ts';

const PLAIN: FirstWordsOptions = { early: false, tls: false };
const EARLY: FirstWordsOptions = { early: true, tls: false };

/** What becomes of pieces of a client's, between which `null` is the greeting. */
function outcome(pieces: readonly (Uint8Array | string | null)[], options = PLAIN) {
  const words = new FirstWords(options);
  let passed = '';
  for (const piece of [...pieces, 'end'] as const) {
    const verdict =
      piece === null
        ? words.greeted()
        : piece === 'end'
          ? words.end()
          : words.push(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
    if ('refused' in verdict) return { passed, refused: verdict.refused, origin: verdict.origin };
    passed += Buffer.from(verdict.pass).toString('latin1');
  }
  return { passed };
}

const refusedAs = (refused: Offence) => ({ passed: '', refused, origin: null });

describe('a web page', () => {
  it.each(Object.entries(BROWSER_BYTES))('%s: is refused before the greeting and after it', (_, bytes) => {
    const origin = bytes.includes('Origin:') ? 'http://127.0.0.1:9000' : null;
    for (const options of [PLAIN, EARLY, { early: true, tls: true }]) {
      expect(outcome([bytes], options)).toEqual({ passed: '', refused: 'http', origin });
      expect(outcome([null, bytes], options)).toEqual({ passed: '', refused: 'http', origin });
    }
  });

  it('that begins with TLS is refused before the greeting and after it, unless the server waits for TLS', () => {
    expect(outcome([CLIENT_HELLO])).toEqual(refusedAs('tls'));
    expect(outcome([null, CLIENT_HELLO])).toEqual(refusedAs('tls'));
    expect(outcome([CLIENT_HELLO], EARLY)).toEqual(refusedAs('tls'));
    expect(outcome([CLIENT_HELLO], { early: false, tls: true })).toEqual({
      passed: CLIENT_HELLO.toString('latin1'),
    });
  });

  it('that speaks TURN is refused, since it speaks first', () => {
    expect(outcome([TURN_ALLOCATE, null])).toEqual(refusedAs('early'));
  });

  it.each([
    ['a request line without end', `GET /${'a'.repeat(20_000)}`, 'http'],
    ['one that comes in pieces around the greeting', 'POST /x HT', 'http'],
    ['HTTP/2 without negotiation', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http'],
    ['line ends in front', '\r\n\r\nGET / HTTP/1.0\n', 'http'],
    ['a lone word', 'GET', 'early'],
  ] as const)('%s', (_, text, refused) => {
    expect(outcome([text, null])).toMatchObject({ refused });
  });

  it('never reaches the server with a request line, in whatever pieces it comes', () => {
    const anyBytes = Object.values(BROWSER_BYTES).map((text) => Buffer.from(text, 'latin1'));
    const cases = fc.tuple(fc.constantFrom(...anyBytes), fc.array(fc.nat(400)), fc.nat(20), fc.boolean());
    fc.assert(
      fc.property(cases, ([bytes, cuts, greeting, early]) => {
        const places = [0, ...cuts.filter((at) => at < bytes.length).sort((a, b) => a - b), bytes.length];
        const pieces: (Buffer | null)[] = places.map((at, i) => bytes.subarray(at, places[i + 1] ?? at));
        pieces.splice(greeting, 0, null);
        const { passed, refused } = outcome(pieces, { early, tls: false });
        expect(passed).toBe('');
        expect(['http', ...(early ? [] : ['early'])]).toContain(refused);
      }),
    );
  });
});

describe('a client that waits for the greeting', () => {
  it.each([
    'USER demo\r\n',
    'EHLO [127.0.0.1]\r\n',
    'a1 LOGIN HTTP/1.1 secret\r\n',
    'ABOR\r',
    '\xff\xf4\xffABOR\r\n',
    'CAPA\n',
    'CWD /HTTP/1.1\r\n',
    '\x16\x03\x09',
    '\x16USER',
    `x ${'y'.repeat(20_000)}`,
    'USER no end',
    'a',
    '\0\x01\xfe',
  ])('passes with %.30j as it came', (text) => {
    expect(outcome([null, text])).toEqual({ passed: text });
    expect(outcome([null, ...text])).toEqual({ passed: text });
  });

  it('is not held up once its line cannot be a request any more', () => {
    const words = new FirstWords(PLAIN);
    words.greeted();
    expect(words.push(Buffer.from('USER demo'))).toEqual({ pass: Buffer.alloc(0) });
    expect(words.push(Buffer.from('\r'))).toEqual({ pass: Buffer.from('USER demo\r') });
    expect(words.push(Buffer.from('\nGET / HTTP/1.1\r\n'))).toEqual({
      pass: Buffer.from('\nGET / HTTP/1.1\r\n'),
    });
  });
});

describe('a client that says something before the greeting', () => {
  it.each([
    'USER a\r\nPASS b\r\n',
    'QUIT',
    'PROXY TCP4 127.0.0.1 127.0.0.1 33794 9300\r\n',
    'ehlo xymonnet\r\nquit\r\n',
    '.',
  ])('%j is refused, and passes if the option allows it', (text) => {
    expect(outcome([text, null])).toEqual(refusedAs('early'));
    expect(outcome([...text, null])).toEqual(refusedAs('early'));
    expect(outcome([text, null], EARLY)).toEqual({ passed: text });
  });

  it.each([
    ['nothing', ''],
    ['line ends and blanks', '\r\n \t\n'],
    ['the Enter of a Telnet program', '\r\0\r\n'],
    [
      'the negotiation that PuTTY begins with',
      '\xff\xfb\x1f\xff\xfb\x20\xff\xfb\x18\xff\xfb\x27\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03',
    ],
    ['Telnet IP and Synch', '\xff\xf4\xff\xf2'],
  ])('passes if it is %s', (_, silent) => {
    for (const pieces of [[silent], [...silent]]) {
      expect(outcome([...pieces, null, 'USER a\r\n'])).toEqual({ passed: `${silent}USER a\r\n` });
      expect(outcome([...pieces, 'USER a\r\n'])).toMatchObject({ refused: 'early' });
    }
  });

  it.each(['\0', '\xff\xfa\x18', '\xff\xff', '\xffGET'])(
    'is refused for %j, which is no Telnet negotiation',
    (text) => {
      expect(outcome([text, null])).toMatchObject({ refused: 'early' });
    },
  );
});
