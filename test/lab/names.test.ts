import { afterAll, beforeAll, expect, it } from 'vitest';
import { names } from './support/clients.ts';
import { mustExec } from './support/exec.ts';
import { describeLab, lab } from './support/lab.ts';
import type { Program } from './support/program.ts';
import { startSshferry } from './support/ssh.ts';
import { ferry } from './support/users.ts';

const PORT = 8021;
const FOLDER = '/home/ferry/incoming/names';

/**
 * Names in CP1251, in Latin-1: FF is я there, and F0 to FE are р to ю. Telnet has commands of these
 * bytes.
 */
const NAMES = [
  '\xff\xf9\xe8\xea',
  '\xff\xf8',
  '\xec',
  '\xec\xff\xf7',
  '\xff\xfb\xff\xfe',
  '\xff\xff',
  '\xf4\xf2',
  '\xff',
];

const SCRIPT = `
import ftplib, io, sys
port, user, password, *names = sys.argv[1:]
ftp = ftplib.FTP(timeout=20, encoding="latin-1")
ftp.connect("localhost", int(port))
ftp.login(user, password)
ftp.voidcmd("MKD incoming/names")
ftp.cwd("incoming/names")
names = [bytes.fromhex(name).decode("latin-1") for name in names]
for name in names:
    ftp.storbinary("STOR " + name, io.BytesIO(name.encode("latin-1")))
for name in names:
    got = io.BytesIO()
    ftp.retrbinary("RETR " + name, got.write)
    assert got.getvalue() == name.encode("latin-1"), (name, got.getvalue())
    assert ftp.size(name) == len(name)
assert sorted(ftp.nlst()) == sorted(names), ftp.nlst()
ftp.delete("\\xec\\xff\\xf7")
ftp.rename("\\xff", "\\xff\\xfa")
ftp.quit()
`;

let sshferry: Program;

describeLab('file names in CP1251, whose letters are commands to Telnet', () => {
  beforeAll(async () => {
    sshferry = await startSshferry(lab(), '-L', `${PORT}:vsftpd:21`);
  });

  afterAll(async () => {
    await sshferry?.signal('KILL');
  });

  it('reach vsftpd byte for byte: stored, fetched, deleted and renamed as they are', async () => {
    const hex = NAMES.map((name) => Buffer.from(name, 'latin1').toString('hex'));
    const argv = ['python3', '-c', SCRIPT, `${PORT}`, ferry.name, ferry.password, ...hex];
    await mustExec(lab().hosts.a.container, argv);
    const left = hex.filter((name) => name !== 'ecfff7' && name !== 'ff');
    expect(await names(lab().hosts.c.vsftpd.container, FOLDER)).toEqual([...left, 'fffa'].sort());
  });
});
