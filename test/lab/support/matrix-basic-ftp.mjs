// Runs on host A: does one thing with basic-ftp. The one argument is a job as JSON; see matrix-basic-ftp.ts.
import { createWriteStream } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'basic-ftp';

const { verb, remote, local, offset, next, ...login } = JSON.parse(process.argv[2]);
const client = new Client(20_000);

async function abort() {
  const file = createWriteStream(`${local}/${basename(remote)}`);
  const download = client.downloadTo(file, remote);
  const outcome = download.then(
    () => 'complete',
    (error) => error.message,
  );
  while (file.bytesWritten === 0) await delay(50);
  // Closing the client is how its documentation says to interrupt it. Its promise may stay as it is then.
  client.close();
  if ((await Promise.race([outcome, delay(3000)])) === 'complete') {
    throw new Error('it was closed and says that the download is complete');
  }
  const another = new Client(20_000);
  await another.access(login);
  await another.downloadTo(`${local}/${basename(next)}`, next);
  another.close();
  process.exit(0);
}

const verbs = {
  list: async () => console.log((await client.list(remote)).map(({ name }) => name).join('\n')),
  get: () => client.downloadTo(`${local}/${basename(remote)}`, remote),
  put: () => client.uploadFrom(local, `${remote}/${basename(local)}`),
  resumeGet: () => client.downloadTo(`${local}/${basename(remote)}`, remote, offset),
  resumePut: () => client.appendFrom(local, `${remote}/${basename(local)}`, { localStart: offset }),
  mirrorGet: () => client.downloadToDir(`${local}/${basename(remote)}`, remote),
  mirrorPut: () => client.uploadFromDir(local, `${remote}/${basename(local)}`),
  abort,
};
try {
  await client.access(login);
  await verbs[verb]();
} finally {
  client.close();
}
