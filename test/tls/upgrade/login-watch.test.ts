import { describe, expect, it } from 'vitest';
import { LoginWatch } from '../../../src/tls/upgrade/login-watch.ts';

/** Takes commands (`>`) and replies; returns what went to the client and, as `>…`, to the server. */
function watch(lines: readonly string[], clearData = false) {
  const login = new LoginWatch(clearData);
  const out: string[] = [];
  for (const line of lines) {
    if (line.startsWith('>')) login.command(line.slice(1));
    else {
      const { toClient, toServer } = login.reply(line);
      out.push(...toClient, ...toServer.map((command) => `>${command}`));
    }
  }
  return { out, login };
}

describe('an FTP server that takes PROT after the login only', () => {
  it('is asked before the client hears that it is logged in', () => {
    const { out, login } = watch([
      '220 ready',
      '>USER a',
      '331 password',
      '>PASS b',
      '230-welcome',
      '230 logged in',
      '200 PBSZ=0',
      '200 private',
    ]);
    expect(out).toEqual(['220 ready', '331 password', '230-welcome', '>PBSZ 0', '>PROT P', '230 logged in']);
    expect([login.done, login.protected, login.holds]).toEqual([true, true, false]);
  });

  it('its replies to commands that the client sent meanwhile keep their order', () => {
    const { out } = watch([
      '>USER a',
      '>PASS b',
      '>PWD',
      '>TYPE I',
      '331 password',
      '230 logged in',
      '257 "/"',
      '200 TYPE',
      '200 PBSZ=0',
      '200 private',
    ]);
    expect(out).toEqual(['331 password', '>PBSZ 0', '>PROT P', '230 logged in', '257 "/"', '200 TYPE']);
  });

  it('a refused login is passed, and the next one counts', () => {
    const { out, login } = watch(['>PASS b', '530 wrong', '>PASS c', '230 in']);
    expect(out).toEqual(['530 wrong', '>PBSZ 0', '>PROT P']);
    expect([login.done, login.holds]).toEqual([false, true]);
  });

  it('that refuses PROT P is refused, unless that is allowed', () => {
    const lines = ['>PASS b', '230 in', '200 ok', '536 no'];
    expect(() => watch(lines)).toThrow(expect.objectContaining({ code: 'TLS_REFUSED' }));
    const { out, login } = watch(lines, true);
    expect(out.at(-1)).toBe('230 in');
    expect([login.done, login.protected]).toEqual([true, false]);
  });
});
