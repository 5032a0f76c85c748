// Runs on host A: lists, gets, puts and resumes with basic-ftp, in the given passive mode. The one argument is a
// BasicFtpJob (clients.ts) with user and password; prints the names listed in pub/ as JSON.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, enterPassiveModeIPv4, enterPassiveModeIPv6 } from 'basic-ftp';

const { host, port, user, password, mode, folder } = JSON.parse(process.argv[2]);
const client = new Client(30_000);
try {
  await client.access({ host, port, user, password });
  client.prepareTransfer = mode === 'EPSV' ? enterPassiveModeIPv6 : enterPassiveModeIPv4;

  const listed = await client.list('pub');

  mkdirSync(folder, { recursive: true });
  const local = (name) => join(folder, name);
  await client.downloadTo(local('small.bin'), 'pub/small.bin');
  await client.downloadTo(local('empty.bin'), 'pub/empty.bin');
  // Half of a file is there: REST and RETR bring the other half.
  const half = readFileSync('/pub/small.bin').subarray(0, 500);
  writeFileSync(local('resumed.bin'), half);
  await client.downloadTo(local('resumed.bin'), 'pub/small.bin', half.length);

  await client.ensureDir(`incoming/${folder.split('/').at(-1)}`);
  await client.uploadFrom('/pub/small.bin', 'small.bin');
  await client.uploadFrom('/pub/empty.bin', 'empty.bin');
  await client.uploadFrom('/pub/small.bin', 'resumed.bin', { localEndInclusive: 499 });
  await client.appendFrom('/pub/small.bin', 'resumed.bin', { localStart: 500 });

  console.log(JSON.stringify(listed.map(({ name }) => name)));
} finally {
  client.close();
}
