// Runs on host A: does one thing with jsftp; script-clients.ts has the verbs.
// usage: node jsftp-client.mjs HOST PORT USER PASSWORD passive VERB ARGUMENT...
import { createWriteStream, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import JSFtp from 'jsftp';

const [, , host, port, user, pass, , verb, ...args] = process.argv;
const login = { host, port: Number(port), user, pass };
const connect = () => new JSFtp(login);
let ftp = connect();
const call = (method, ...given) => promisify(ftp[method]).call(ftp, ...given);

const names = async (folder) => (await call('ls', folder)).map(({ name }) => name);
// Given a path of this machine, its own get() stands still with current versions of Node.js.
const get = async (path, file) => pipeline(await call('get', path), createWriteStream(file));
const put = (file, path) => call('put', readFileSync(file), path);

async function abort(big, into, path, file) {
  const socket = await call('get', big);
  const first = new Promise((resolve) => socket.once('data', resolve));
  socket.resume();
  writeFileSync(into, await first);
  // It has no abort: a user drops both connections.
  socket.destroy();
  ftp.destroy();
  ftp = connect();
  await get(path, file);
}

const verbs = {
  list: async (folder) => console.log((await names(folder)).join('\n')),
  get,
  put,
  getMany: async (from, into) => {
    for (const name of await names(from)) await get(`${from}/${name}`, `${into}/${name}`);
  },
  putMany: async (from, into) => {
    for (const name of readdirSync(from).sort()) await put(`${from}/${name}`, `${into}/${name}`);
  },
  abort,
};
await verbs[verb](...args);
await call('raw', 'quit');
process.exit(0);
