import { argumentsWith, type Import, type Imported, identityOf } from './imported.ts';
import { decodePercent, readIni, type Values } from './settings-text.ts';

const SESSION = /^Sessions\\(.+)$/;
/** FSProtocol of an FTP session; others are SCP, SFTP, WebDAV and S3. */
const FTP = '5';
/** By the setting Ftps: how TLS begins. */
const TYPES: Readonly<Record<string, string>> = { 1: 'ftps', 2: 'ftp+tls', 3: 'ftp+tls' };
const FIRST_PORT = 8021;

/** Whether the text is a WinSCP.ini. */
export function isWinScp(text: string): boolean {
  return /^\s*\[Sessions\\/m.test(text);
}

/** Reads the sessions of a WinSCP.ini that go through a tunnel. */
export function readWinScp(text: string): Import {
  const sessions: Imported[] = [];
  const skipped: string[] = [];
  for (const [section, values] of readIni(text)) {
    const [, written] = SESSION.exec(section) ?? [];
    if (written === undefined) continue;
    const name = decodePercent(written);
    const reason = reasonAgainst(values);
    if (reason === null) sessions.push(readSession(name, values, FIRST_PORT + sessions.length));
    else skipped.push(`${name}: ${reason}`);
  }
  return { sessions, skipped };
}

function reasonAgainst(values: Values): string | null {
  if (values.get('HostName') === undefined) return 'it has no host name';
  if (values.get('FSProtocol') !== FTP)
    return 'its protocol is not FTP; WinSCP reaches its server by SSH or TLS itself';
  if (values.get('Tunnel') !== '1') return 'it has no tunnel';
  return (values.get('TunnelHostName') ?? '') === '' ? 'its tunnel has no host name' : null;
}

function readSession(name: string, values: Values, freePort: number): Imported {
  const value = (key: string) => decodePercent(values.get(key) ?? '');
  const number = (key: string, otherwise: number) => Number(value(key)) || otherwise;
  const skipped: string[] = [];
  const identityFile = identityOf(value('TunnelPublicKeyFile'), skipped);
  if (values.has('TunnelPasswordPlain') || values.has('TunnelPassword'))
    skipped.push("the tunnel's password; sshferry asks for it");
  const host = value('HostName');
  const target = `${host.includes(':') ? `[${host}]` : host}:${number('PortNumber', 21)}`;
  const type = TYPES[value('Ftps')] ?? 'ftp';
  const port = number('TunnelPortNumber', 22);
  return {
    name,
    skipped,
    args: argumentsWith({
      destination: value('TunnelHostName'),
      forwards: [`${type}/${number('TunnelLocalPortNumber', freePort)}:${target}`],
      user: value('TunnelUserName') || undefined,
      port: port === 22 ? undefined : port,
      identityFile,
    }),
  };
}
