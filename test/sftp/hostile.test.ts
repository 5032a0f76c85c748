import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { playSftp } from '../../fuzz/sftp-dialogue.ts';

describe('SftpClient', () => {
  it('keeps its promises with any server (see fuzz/sftp-dialogue.ts)', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.nat(9999), { minLength: 100, maxLength: 600 }), async (choices) => {
        await playSftp(choices);
      }),
      { numRuns: 200 },
    ));

  it('has all that it asks for from a server that behaves', async () => {
    expect(await playSftp([])).toBe(6);
  });
});
