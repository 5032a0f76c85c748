import { isLoopback } from '../core/endpoint.ts';
import type { ForwardContext, ForwardFacts, ForwardService, SessionContext } from '../core/plugin.ts';
import { folderOf, type SftpFolder } from '../core/target.ts';
import { ClientGate } from '../protocols/greeting.ts';
import { dataOptionsOf, type FtpConfig, SERVER_FIELDS } from './config.ts';
import { serveFtp } from './server/io/serve.ts';
import type { FolderOptions } from './server/sftp/folder-service.ts';

/** Serves a client of a folder behind SFTP: sshferry itself is the FTP server. */
export async function serveFolder(
  session: SessionContext,
  target: SftpFolder,
  config: FtpConfig,
): Promise<void> {
  const { service } = config;
  const gate = new ClientGate(session, {
    clientSpeaksFirst: config.clientSpeaksFirst,
    protocol: 'Ftp',
    tlsPorts: [],
  });
  await serveFtp(
    session,
    {
      login: await service.open(session, target, folderOptions(config)),
      charset: config.charset ?? null,
      ascii: config.ascii ?? 'convert',
      keepPartial: config.keepPartial ?? true,
      active: config.active !== 'refuse',
      hashes: [],
      data: dataOptionsOf(config),
      idleTimeout: config.idleTimeout * 1000,
      loginTimeout: isLoopback(session.peer.remote.host) ? 0 : config.loginTimeout * 1000,
    },
    gate,
  );
}

/** Opens the spool of a forward; null if it has none. Rejects with `CONFIG_INVALID`. */
export async function openSpool(forward: ForwardContext, config: FtpConfig): Promise<ForwardService | null> {
  const { spool, service } = config;
  const { target } = forward;
  if (spool === undefined || !('sftp' in target)) return null;
  return service.openSpool(forward, target, folderOptions(config), spool);
}

function folderOptions(config: FtpConfig): FolderOptions {
  const { access = 'read-write', followLinks = false, fsync = false, users = null } = config;
  const own =
    users && new Map([...users].map(([name, user]) => [name, { ...user, access: user.access ?? access }]));
  return { access, followLinks, fsync, users: own };
}

/** Returns what is wrong with an FTP forward as a whole; null if nothing is. */
export function validateForward({ direction, host, target }: ForwardFacts, config: FtpConfig): string | null {
  if (folderOf(target) === null) {
    const given = SERVER_FIELDS.filter((field) => config[field] !== undefined);
    if (given.length === 0) return null;
    return `${given.join(', ')}: only for a folder behind SFTP, such as to: { sftp: /srv/in }`;
  }
  if (direction === 'remote') return 'a folder behind SFTP can be served on this machine (-L) only';
  if (config.spool !== undefined && process.platform === 'win32')
    return 'a spool is not supported on Windows';
  if (isLoopback(host) || config.users !== undefined) return null;
  return `to listen on ${host}, it needs users with passwords (see sshferry hash): otherwise anyone who reaches the port could log in`;
}
