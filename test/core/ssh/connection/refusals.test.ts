import { describe, expect, it } from 'vitest';
import { channelRefused } from '../../../../src/core/ssh/connection/refusals.ts';

const FTP = { host: 'localhost', port: 21 };

describe('channelRefused', () => {
  it.each([
    [
      1,
      'open failed',
      'prohibited',
      ['localhost:21', 'AllowTcpForwarding', 'DisableForwarding', 'PermitOpen', 'restrict'],
    ],
    [2, 'Connection refused', 'connect-failed', ['localhost:21', 'connection refused', 'port 21']],
    [
      2,
      'Name or service not known',
      'connect-failed',
      ['no host of the name "localhost"', 'Name or service'],
    ],
    [2, 'Connection timed out', 'connect-failed', ['no answer', 'firewall']],
    [2, 'No route to host', 'connect-failed', ['No route to host']],
    [2, '', 'connect-failed', ['is the service running']],
    [2, 'what ever', 'connect-failed', ['"what ever"']],
    [3, '', 'unknown-type', ['does not support TCP forwarding']],
    [4, 'too many', 'shortage', ['no resources left', '"too many"']],
  ])('puts reason %i "%s" into words', (code, text, reason, words) => {
    const error = channelRefused(FTP, 'yourserver', code, text);
    expect(error).toMatchObject({ code: 'CHANNEL_REFUSED', reason });
    for (const word of ['yourserver', ...words]) expect(error.message).toContain(word);
  });

  it('says that one target is allowed and the other is not: a PermitOpen for the control port alone', () => {
    const data = { host: 'localhost', port: 50_000 };
    const error = channelRefused(data, 'yourserver', 1, 'open failed', FTP);
    expect(error).toMatchObject({ code: 'CHANNEL_REFUSED', reason: 'prohibited' });
    for (const words of ['localhost:50000, though it does to localhost:21', 'PermitOpen', 'so: localhost:*'])
      expect(error.message).toContain(words);
    expect(error.message).not.toContain('AllowTcpForwarding');
  });

  it('reports an unknown code without a reason', () => {
    const error = channelRefused(FTP, 'yourserver', 99, 'mystery');
    expect(error.reason).toBeUndefined();
    expect(error.message).toContain('reason code 99');
  });

  it('lets no server write to the terminal', () => {
    const error = channelRefused(FTP, 'yourserver', 4, 'x\x1b]0;owned\x07\r\n220 fake\u202e');
    expect(error.message).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
  });
});
