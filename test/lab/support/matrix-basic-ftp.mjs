// Runs on host A: does one thing with basic-ftp. The one argument is a job as JSON; see matrix-basic-ftp.ts.
import { createWriteStream } from 'node:fs';
import { basename } from 'node:path';
import { Client } from 'basic-ftp';

const { verb, remote, local, offset, next, ...login } = JSON.parse(process.argv[2]);
const client = new Client(20_000);

async function abort() {
  const file = createWriteStream(`${local}/${basename(remote)}`);
  const download = client.downloadTo(file, remote);
  // Closing the client is how its documentation says to interrupt it.
  const watch = setInterval(() => {
    if (file.bytesWritten > 0) client.close();
  }, 50);
  const outcome = await download.then(
    () => 'complete',
    (error) => error.message,
  );
  clearInterval(watch);
  if (outcome === 'complete') throw new Error('it was closed and says that the download is complete');
  await client.access(login);
  await client.downloadTo(`${local}/${basename(next)}`, next);
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
