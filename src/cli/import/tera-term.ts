import { argumentsWith, type Import, identityOf, noForwards } from './imported.ts';
import { readIni } from './settings-text.ts';

/** Whether the text is a TERATERM.INI. */
export function isTeraTerm(text: string): boolean {
  return /^\s*\[TTSSH\]/m.test(text);
}

/**
 * Reads DefaultForwarding of `[TTSSH]`: `L8021:localhost:21;R…;D…`, as in ssh, but a target
 * can end in `:1`, which asks for a check by ident and is ignored. `destination` is the SSH server;
 * null takes the latest host in Tera Term's list.
 */
export function readTeraTerm(text: string, destination: string | null): Import {
  const sections = readIni(text);
  const settings = sections.get('TTSSH') ?? new Map<string, string>();
  const found = noForwards();
  const skipped: string[] = [];
  for (const part of (settings.get('DefaultForwarding') ?? '').split(';')) {
    const [, kind, spec = ''] = /^\s*([LRDX])(.*?)\s*$/.exec(part) ?? [];
    if (kind === 'L') found.forwards.push(withoutCheck(spec));
    else if (kind === 'R') found.remoteForwards.push(withoutCheck(spec));
    else if (kind === 'D') found.dynamicForwards.push(spec.replace(/^:/, ''));
    else if (kind === 'X') skipped.push('X11 forwarding: sshferry has none');
    else if (part.trim() !== '') skipped.push(`the forwarding ${part.trim()}: not understood`);
  }
  const [server, port] =
    destination === null ? remembered(sections.get('Hosts')?.get('Host1') ?? '') : [destination];
  const user = settings.get('DefaultUserName') ?? '';
  const args = argumentsWith({
    ...found,
    destination: server,
    user: user === '' || (destination ?? '').includes('@') ? undefined : user,
    port: port === undefined ? undefined : Number(port),
    identityFile: identityOf(settings.get('DefaultRSAPrivateKeyFile') ?? '', skipped),
  });
  return { sessions: [{ name: 'teraterm', args, skipped }], skipped: [] };
}

/** Drops the `:1` of `8021:localhost:21:1` and `bind:8021:localhost:21:1`. */
function withoutCheck(spec: string): string {
  const fields = spec.match(/\[[^\]]*\]|[^:]+/g) ?? [];
  const isPortFirst = /^\d+$/.test(fields[0] ?? '');
  return fields.length === (isPortFirst ? 4 : 5) && fields.at(-1) === '1' ? spec.slice(0, -2) : spec;
}

/** `host:port`, as the list of hosts has it. */
function remembered(host: string): readonly [string, string?] {
  const [, name = '', port] = /^(?:ssh:\/\/)?([^\s:/]+|\[[^\]]*\])(?::(\d+))?/.exec(host) ?? [];
  return port === undefined || port === '22' ? [name] : [name, port];
}
