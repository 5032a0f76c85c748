// Runs on host A: does one thing with the npm package ftp; script-clients.ts has the verbs.
// usage: node node-ftp-client.mjs HOST PORT USER PASSWORD passive VERB ARGUMENT...
import { once } from 'node:events';
import { createReadStream, createWriteStream, readdirSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import Client from 'ftp';

const [, , host, port, user, password, , verb, ...args] = process.argv;
const ftp = new Client();
const call = (method, ...given) => promisify(ftp[method]).call(ftp, ...given);

const names = async (folder) => (await call('list', folder)).map(({ name }) => name);
const get = async (path, file, flags = 'w') => {
  await pipeline(await call('get', path), createWriteStream(file, { flags }));
};

const verbs = {
  list: async (folder) => console.log((await names(folder)).join('\n')),
  get: (path, file) => get(path, file),
  put: (file, path) => call('put', file, path),
  getMany: async (from, into) => {
    for (const name of await names(from)) await get(`${from}/${name}`, `${into}/${name}`);
  },
  putMany: async (from, into) => {
    for (const name of readdirSync(from).sort()) await call('put', `${from}/${name}`, `${into}/${name}`);
  },
  resumeGet: async (path, file, offset) => {
    await call('restart', Number(offset));
    await get(path, file, 'a');
  },
  resumePut: async (file, path, offset) => {
    await call('append', createReadStream(file, { start: Number(offset) }), path);
  },
  abort: async (big, _into, path, file) => {
    const data = await call('get', big);
    data.resume();
    await once(data, 'data');
    data.destroy();
    await get(path, file);
  },
};
ftp.connect({ host, port: Number(port), user, password, connTimeout: 20_000, pasvTimeout: 20_000 });
await once(ftp, 'ready');
await verbs[verb](...args);
ftp.end();
