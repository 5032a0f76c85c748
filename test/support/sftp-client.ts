import type { Readable } from 'node:stream';
import { type Remark, Remarks } from '../../src/sftp/remarks.ts';
import { SessionPool } from '../../src/sftp/session/pool.ts';
import { type MemoryFiles, type MemoryOptions, serveMemory } from './memory-sftp-server.ts';
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
