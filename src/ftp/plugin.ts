import type { ProtocolPlugin, SessionContext } from '../core/plugin.ts';
import { awaitGreeting } from '../protocols/greeting.ts';
import { refusalFor } from '../protocols/words.ts';
import { type FtpConfig, schema } from './config.ts';
import { ControlConnection } from './control-connection.ts';
import { openSpool, serveFolder, validateForward } from './folder.ts';
import { probeFtp } from './probe/probe.ts';
import { reply } from './wire/words.ts';

export type { FtpConfig } from './config.ts';

/**
 * FTP (RFC 959 and its extensions): the control connection is followed, data connections are
 * carried through SSH as well.
 */
export const ftp: ProtocolPlugin<FtpConfig> = {
  name: 'ftp',
  schema,
  defaultPorts: [21],
  servesFolders: true,
  needsAddresses: true,
  tlsTypes: { ftps: 'implicit', 'ftp+tls': 'upgrade' },
  servesUnconnected: ({ spool }) => spool !== undefined,
  validate: validateForward,
  open: openSpool,
  run: (session, config) =>
    'sftp' in session.target ? serveFolder(session, session.target, config) : runFtp(session, config),
  refusal: (error) => refusalFor(error, (text) => reply(421, text)),
  probe: probeFtp,
};

async function runFtp(session: SessionContext, config: FtpConfig): Promise<void> {
  session.endWhenIdle(config.idleTimeout * 1000);
  const { clientSpeaksFirst } = config;
  const options = { clientSpeaksFirst, protocol: 'Ftp', tlsPorts: [] };
  const greeted = await awaitGreeting(session, options, { control: true });
  await new ControlConnection(session, greeted, config).run();
}
