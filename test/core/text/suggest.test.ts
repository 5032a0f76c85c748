import { expect, test } from 'vitest';
import { didYouMean, nearest } from '../../../src/core/text/suggest.ts';

const keys = ['FtpActive', 'FtpDataPorts', 'FtpPrefetch', 'ServerAliveInterval'];

test.each([
  ['FtpPrefech', 'FtpPrefetch'],
  ['ftpprefetch', 'FtpPrefetch'],
  ['FptActive', 'FtpActive'],
  ['FtpDataPort', 'FtpDataPorts'],
  ['ServerAliveIntervall', 'ServerAliveInterval'],
])('%s is near %s', (word, expected) => expect(nearest(word, keys)).toBe(expected));

test.each(['Ciphers', 'X', '', 'Port'])('nothing is near %j', (word) => {
  expect(nearest(word, keys)).toBeNull();
  expect(didYouMean(word, keys)).toBe('');
});

test('the nearer of two is meant', () => expect(nearest('pop', ['tcp', 'pop3'])).toBe('pop3'));
