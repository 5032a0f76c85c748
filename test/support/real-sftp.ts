import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';
import { SftpClient, type SftpClientOptions } from '../../src/sftp/client.ts';
import { SftpServerChannel, type SftpServerOptions } from './sftp-server.ts';
import { tempFolder } from './temp-folder.ts';

export interface RealOptions extends SftpServerOptions {
  readonly client?: Partial<SftpClientOptions>;
  /** Puts something between, such as a delay. */
  readonly wrap?: (channel: Duplex) => Duplex;
}

/**
 * A folder of its own, and a client of OpenSSH's sftp-server; both go when the test has finished.
 */
export async function realClient({
  client: options,
  wrap = (channel) => channel,
  ...server
}: RealOptions = {}) {
  const folder = await tempFolder({ onTestFinished });
  const channels: SftpServerChannel[] = [];
  const remarks: string[] = [];
  const connect = () => {
    const channel = new SftpServerChannel(server);
    channels.push(channel);
    return wrap(channel);
  };
  const client = new SftpClient({
    openChannel: async () => connect(),
    software: () => 'OpenSSH_9.2p1 Debian-2',
    settlePause: 50,
    onRemark: ({ code }) => remarks.push(code),
    ...options,
  });
  onTestFinished(() => {
    client.close();
    for (const channel of channels) channel.destroy();
  });
  /** The path of a file in the folder, as the server has it. */
  const at = (name: string | Buffer) =>
    Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name as string)]);
  return { client, folder, at, channels, remarks, connect };
}
