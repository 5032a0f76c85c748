import type { Readable } from 'node:stream';
import { SftpClient, type SftpClientOptions } from '../../src/sftp/client.ts';
import { Remarks } from '../../src/sftp/remarks.ts';
import { SessionPool } from '../../src/sftp/session/pool.ts';
import { type MemoryFiles, type MemoryOptions, OPENSSH, serveMemory } from './memory-sftp-server.ts';
import type { ReceivedRequest, ScriptedSftpServer } from './scripted-sftp-server.ts';

/** Servers in memory over the same files, and the requests that they received. */
function memoryServers(files: MemoryFiles, { intercept, ...options }: MemoryOptions) {
  const requests: string[] = [];
  const servers: ScriptedSftpServer[] = [];
  const record = (request: ReceivedRequest, server: ScriptedSftpServer) => {
    requests.push(request.name);
    return intercept?.(request, server) ?? false;
  };
  const connect = () => {
    const server = serveMemory(files, { ...options, intercept: record });
    servers.push(server);
    return server.channel;
  };
  return { requests, servers, connect };
}

/** A pool of sessions with servers in memory. */
export function memoryPool(files: MemoryFiles, options: MemoryOptions = {}) {
  const made = memoryServers(files, options);
  const pool = new SessionPool({
    openChannel: async () => made.connect(),
    remarks: new Remarks(() => {}),
  });
  return { pool, ...made };
}

/** A client of servers in memory. They pass for OpenSSH's unless `extensions` are others. */
export function memoryClient(
  files: MemoryFiles,
  options: MemoryOptions & { client?: Partial<SftpClientOptions> } = {},
) {
  const { client: clientOptions, extensions = OPENSSH, ...rest } = options;
  const made = memoryServers(files, { ...rest, extensions });
  const remarks: string[] = [];
  const client = new SftpClient({
    openChannel: async () => made.connect(),
    software: () => (extensions === OPENSSH ? 'OpenSSH_9.2' : 'Other_1.0'),
    onRemark: ({ code }) => remarks.push(code),
    ...clientOptions,
  });
  return { client, remarks, ...made };
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
