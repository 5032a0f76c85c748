import { argumentsWith, type Forwards, type Imported, identityOf, noForwards } from './imported.ts';
import type { Values } from './settings-text.ts';

/** PuTTY's ProxyMethod for another SSH server on the way (PROXY_SSH_TCPIP). */
const PROXY_SSH = '6';
const FAMILIES: Readonly<Record<string, 4 | 6>> = { 1: 4, 2: 6 };

/**
 * Reads one saved session of PuTTY, by the names of its settings: those of the registry are those
 * of `~/.putty/sessions`. Numbers are decimal. Returns null if it is not an SSH session.
 */
export function readPuttySession(name: string, values: Values): Imported | null {
  const value = (key: string) => values.get(key) ?? '';
  if (value('Protocol') !== '' && value('Protocol') !== 'ssh') return null;
  const [, typedUser, host = ''] = /^(?:(.*)@)?(.*)$/.exec(value('HostName')) ?? [];
  const user = typedUser ?? value('UserName');
  const skipped: string[] = [];
  const options: string[] = [];
  if (value('Compression') === '1') options.push('Compression=yes');
  const method = value('ProxyMethod');
  if (method === PROXY_SSH) options.push(`ProxyJump=${proxyJump(value)}`);
  else if (method !== '' && method !== '0')
    skipped.push(`its proxy ${value('ProxyHost')}: set ProxyCommand for it`);
  const identityFile = identityOf(value('PublicKeyFile'), skipped);
  const port = Number(value('PortNumber'));
  const { forwards, remoteForwards, dynamicForwards } = readForwardings(value('PortForwardings'), skipped);
  return {
    name,
    skipped,
    args: argumentsWith({
      destination: host,
      forwards,
      remoteForwards,
      dynamicForwards,
      options,
      user: user === '' ? undefined : user,
      port: port > 0 && port !== 22 ? port : undefined,
      identityFile,
      addressFamily: FAMILIES[value('AddressFamily')],
      gatewayPorts: value('LocalPortAcceptAll') === '1',
    }),
  };
}

/**
 * Reads PuTTY's PortForwardings: `L8021=localhost:21,R…,D1080`, each perhaps after a 4 or 6 for the
 * address family, with `\` before characters that would separate.
 */
function readForwardings(text: string, skipped: string[]): Forwards {
  const found = noForwards();
  for (const part of text.match(/(?:\\.|[^,\\])+/gs) ?? []) {
    const plain = part.replace(/\\(.)/gs, '$1');
    const [, kind = '', source = '', target = ''] = /^[46]?([LRD])([^=]*)=?(.*)$/s.exec(plain) ?? [];
    if (kind === 'D' || (kind === 'R' && target === '')) {
      (kind === 'D' ? found.dynamicForwards : found.remoteForwards).push(source);
    } else if (kind !== '' && target !== '') {
      (kind === 'L' ? found.forwards : found.remoteForwards).push(`${source}:${target}`);
    } else skipped.push(`the forwarding ${plain}: not understood`);
  }
  return found;
}

function proxyJump(value: (key: string) => string): string {
  const user = value('ProxyUsername');
  const port = value('ProxyPort');
  return `${user === '' ? '' : `${user}@`}${value('ProxyHost')}${port === '' || port === '22' ? '' : `:${port}`}`;
}
