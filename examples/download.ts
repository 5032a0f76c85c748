// Fetches one file by FTP through SSH: start, wait until ready, use, stop.
// Run it: FTP_PASSWORD=… npx tsx examples/download.ts you@yourserver.example.com FTPUSER FILE
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from 'basic-ftp';
import { type ConfigInput, createGateway, GatewayError } from 'sshferry';

/** Connects by `config`, downloads `file` through its forward `files` into the folder `to`, and stops. */
export async function download(
  config: ConfigInput,
  ftp: { user: string; password: string },
  file: string,
  to = '.',
): Promise<void> {
  const gateway = await createGateway(config);
  gateway.events.on('transfer.end', ({ verb, path, bytes, ms, outcome }) => {
    console.log(`${verb} ${path}: ${bytes} bytes in ${ms} ms, ${outcome}`);
  });
  // Resolves when sshferry has logged in and every forward listens. Rejects with a GatewayError that says why it cannot.
  await gateway.start();
  const client = new Client();
  try {
    const { host, port } = gateway.endpoint('files') ?? { host: '', port: 0 };
    await client.access({ host, port, ...ftp });
    await client.downloadTo(`${to}/${basename(file)}`, file);
  } finally {
    client.close();
    await gateway.stop();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [host = '', user = '', file = ''] = process.argv.slice(2);
  const config: ConfigInput = {
    // The same keys as in sshferry.yaml. ~/.ssh/config, keys, the agent and known_hosts are used as well.
    servers: { office: { host } },
    forwards: { files: { listen: '127.0.0.1:0', server: 'office', to: 'localhost:21' } },
  };
  await download(config, { user, password: process.env.FTP_PASSWORD ?? '' }, file).catch((error) => {
    console.error(error instanceof GatewayError ? `${error.code}: ${error.message}` : error);
    process.exitCode = 1;
  });
}
