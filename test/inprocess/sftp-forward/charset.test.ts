import { mkdir, readdir, writeFile } from 'node:fs/promises';
import iconv from 'iconv-lite';
import { expect, it, onTestFinished } from 'vitest';
import { describeWith, run } from '../../support/openssh.ts';
import { RawClient } from '../../support/raw-client.ts';
import { sshdWithSftp } from '../../support/sftp-forward.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { SSHD } from '../../support/sshd.ts';

const TEST = { onTestFinished };
/** In Shift_JIS its bytes contain a brace and a backslash. */
const NAME = '日本語表.txt';

/** A name as bytes of a charset, one character a byte, as a client sends it. */
const bytes = (name: string, charset: string) => iconv.encode(name, charset).toString('latin1');

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen', 'curl'], 'a folder for clients that use Shift_JIS', () => {
  const { serve } = sshdWithSftp();

  it('stores names in UTF-8, and shows them in Shift_JIS until the client asks for UTF-8', {
    timeout: 90_000,
  }, async () => {
    const { folder, port } = await serve('-o', 'FtpCharset=shift_jis');
    await mkdir(`${folder}/フォルダ`);
    await writeFile(`${folder}/フォルダ/${NAME}`, 'x');
    await writeFile(`${folder}/größe`, 'not in Shift_JIS');
    const client = await RawClient.connect(TEST, { host: '127.0.0.1', port });
    await client.reply();
    const send = async (line: string, charset = 'shift_jis') => {
      client.control.write(Buffer.concat([iconv.encode(line, charset), Buffer.from('\r\n')]));
      return client.reply();
    };
    const listed = async (line: string) => {
      const data = await client.data(await client.passive());
      expect(await send(line)).toMatch(/^150/);
      const text = (await data.rest()).bytes.toString('latin1');
      expect(await client.reply()).toMatch(/^226/);
      return text.split('\r\n').filter(Boolean);
    };
    for (const line of ['USER me', 'PASS any', 'TYPE I', 'CWD フォルダ'])
      expect(await send(line)).toMatch(/^[23]/);
    expect(await listed('NLST')).toEqual([bytes(NAME, 'shift_jis')]);
    expect(await listed('LIST')).toEqual([expect.stringContaining(bytes(NAME, 'shift_jis'))]);
    expect(await send(`SIZE ${NAME}`)).toBe('213 1');
    expect(await send(`RNFR ${NAME}`)).toMatch(/^350/);
    expect(await send('RNTO 予定.txt')).toMatch(/^250/);
    expect(await readdir(`${folder}/フォルダ`)).toEqual(['予定.txt']);
    expect(await send('CDUP')).toMatch(/^250/);
    expect((await listed('NLST')).sort()).toEqual([bytes('フォルダ', 'shift_jis'), 'gr??e'].sort());
    // 0x82 begins a character of two bytes, which ends nowhere.
    client.control.write(Buffer.from([...Buffer.from('MKD '), 0x82, 13, 10]));
    expect(await client.reply()).toMatch(/^55\d .*character set/);
    expect(await send('OPTS UTF8 ON')).toMatch(/^200/);
    expect((await listed('NLST')).sort()).toEqual([bytes('フォルダ', 'utf8'), bytes('größe', 'utf8')].sort());
    expect(await send('SIZE フォルダ/予定.txt', 'utf8')).toBe('213 1');
    expect(await send('OPTS UTF8 OFF')).toMatch(/^200/);
    expect(await send('SIZE フォルダ/予定.txt')).toBe('213 1');
  });

  it('curl puts, lists and gets bytes of Shift_JIS', { timeout: 90_000 }, async () => {
    const { folder, port } = await serve('-o', 'FtpCharset=shift_jis');
    const encoded = iconv.encode(NAME, 'shift_jis').toString('hex').replace(/../g, '%$&');
    const url = (name: string) => `ftp://me:any@127.0.0.1:${port}/${name}`;
    const curl = (...args: string[]) => run('curl', ['-sS', '--max-time', '30', ...args]);
    await curl('-T', new URL(import.meta.url).pathname, url(encoded));
    expect(await readdir(folder)).toEqual([NAME]);
    expect(await curl(url(encoded))).toContain('curl puts, lists and gets');
  });
});
