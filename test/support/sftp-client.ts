import type { Readable } from 'node:stream';
import { SftpClient, type SftpClientOptions } from '../../src/sftp/client.ts';
import { type Remark, Remarks } from '../../src/sftp/remarks.ts';
import { SessionPool } from '../../src/sftp/session/pool.ts';
import { type MemoryFiles, type MemoryOptions, OPENSSH, serveMemory } from './memory-sftp-server.ts';
import type { ReceivedRequest, ScriptedSftpServer } from './scripted-sftp-server.ts';

/** A pool of sessions with servers in memory, and what they were asked. */
export function memoryPool(files: MemoryFiles, options: MemoryOptions & { mostChannels?: number } = {}) {
  const { intercept, mostChannels, ...rest } = options;
  const requests: string[] = [];
  const servers: ScriptedSftpServer[] = [];
  const remarks: Remark[] = [];
  const record = (request: ReceivedRequest, server: ScriptedSftpServer) => {
    requests.push(request.name);
    return intercept?.(request, server) ?? false;
  };
  const openChannel = async () => {
    const server = serveMemory(files, { ...rest, intercept: record });
    servers.push(server);
    return server.channel;
  };
  const told = new Remarks((remark) => remarks.push(remark));
  const pool = new SessionPool({ openChannel, remarks: told, mostChannels });
  return { pool, requests, servers, remarks, told };
}

/** A client of servers in memory that pass for OpenSSH's, unless told otherwise, and what they were asked. */
export function memoryClient(
  files: MemoryFiles,
  options: MemoryOptions & { client?: Partial<SftpClientOptions> } = {},
) {
  const { intercept, client: clientOptions, extensions = OPENSSH, ...rest } = options;
  const requests: string[] = [];
  const servers: ScriptedSftpServer[] = [];
  const remarks: string[] = [];
  const record = (request: ReceivedRequest, server: ScriptedSftpServer) => {
    requests.push(request.name);
    return intercept?.(request, server) ?? false;
  };
  const connect = () => {
    const server = serveMemory(files, { ...rest, extensions, intercept: record });
    servers.push(server);
    return server.channel;
  };
  const client = new SftpClient({
    openChannel: async () => connect(),
    software: () => (extensions === OPENSSH ? 'OpenSSH_9.2' : 'Other_1.0'),
    onRemark: ({ code }) => remarks.push(code),
    ...clientOptions,
  });
  return { client, connect, requests, servers, remarks };
}

/** All that comes up to the end; rejects if the stream breaks. */
export async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Bytes that differ from place to place. */
export function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE((i * 2654435761) >>> 0, i);
  return bytes;
}
