import { canonicalKey } from './keys.ts';

/** One line of ssh_config: its keyword and the rest, both as written. */
interface Line {
  readonly keyword: string;
  readonly rest: string;
}

/**
 * Splits a line as OpenSSH does (process_config_line_depth in its readconf.c): a keyword, perhaps
 * in quotes; blanks or one `=`; the rest. Returns null for an empty line or a comment.
 */
export function splitLine(text: string): Line | null {
  const line = text.replace(/[ \t\r\n\f]+$/, '').replace(/^[ \t]+/, '');
  if (line === '' || line.startsWith('#')) return null;
  const parts = /^(?:"([^"]*)"|([^ \t="]+))[ \t]*=?[ \t]*(.*)$/s.exec(line);
  return parts ? { keyword: parts[1] ?? parts[2] ?? '', rest: parts[3] ?? '' } : { keyword: line, rest: '' };
}

/**
 * Splits arguments as OpenSSH does (argv_split in its misc.c): at blanks. Quotes of both kinds join
 * an argument. A backslash escapes quotes, itself and, outside of quotes, a blank. `#` at the start
 * of an argument begins a comment. Throws if a quotation does not end.
 */
export function splitArguments(text: string): string[] {
  const args: string[] = [];
  for (let at = 0; at < text.length; at++) {
    if (/[ \t]/.test(text.charAt(at))) continue;
    if (text[at] === '#') break;
    let arg = '';
    let quote = '';
    for (; at < text.length; at++) {
      const character = text.charAt(at);
      const next = text.charAt(at + 1);
      if (character === '\\' && (/['"\\]/.test(next) || (quote === '' && next === ' '))) {
        arg += next;
        at += 1;
      } else if (quote === '' && /[ \t]/.test(character)) break;
      else if (quote === '' && /['"]/.test(character)) quote = character;
      else if (quote !== '' && character === quote) quote = '';
      else arg += character;
    }
    if (quote !== '') throw new Error('a quotation does not end');
    args.push(arg);
  }
  return args;
}

/** Quotes an argument for `splitArguments`. */
export function quoteArgument(argument: string): string {
  return `"${argument.replace(/["\\](?=["'\\]|$)|"/g, '\\$&')}"`;
}

/**
 * Returns the arguments of a keyword. A keyword that runs a command has one: the rest of the line,
 * unchanged. Throws if they are invalid. An unknown keyword may have any arguments.
 */
export function argumentsOf({ keyword, rest }: Line): string[] {
  const kind = KINDS.get((canonicalKey(keyword) ?? keyword).toLowerCase());
  if (rest === '') throw new Error('the value is missing');
  // ssh splits every line first, and refuses one with an open quotation even if it then takes the
  // line as it is.
  const args = splitArguments(rest);
  if (kind === 'raw') return [rest];
  if (kind === 'jump') return [jumps(rest)];
  const [first = ''] = args;
  if (first === '') throw new Error('the value is missing');
  if (kind === undefined) return args;
  if (kind === 'words') {
    if (args.length > 1 && args.some((arg) => arg.toLowerCase() === 'none'))
      throw new Error('none must stand alone');
    return args;
  }
  const most = kind === 'forward' ? 2 : 1;
  if (args.length > most) throw new Error(`too many values: ${args.slice(most).join(' ')}`);
  if (kind === 'forward') return args;
  if (kind instanceof RegExp && !kind.test(first)) throw new Error(`it cannot be '${first}'`);
  return [first];
}

type Kind = 'raw' | 'jump' | 'words' | 'forward' | 'word' | RegExp;

const FLAG = /^(yes|no|true|false)$/i;
const COUNT = /^\d{1,9}$/;
const TIME = /^((\d+[smhdw]?)+|none)$/i;

/** By keyword in lower case. Other keywords may have any number of values. */
const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ...kind('raw', 'ProxyCommand LocalCommand RemoteCommand KnownHostsCommand'),
  ...kind('jump', 'ProxyJump'),
  ...kind('words', 'GlobalKnownHostsFile UserKnownHostsFile'),
  ...kind('forward', 'LocalForward RemoteForward'),
  ...kind(
    'word',
    'BindAddress BindInterface CASignatureAlgorithms CertificateFile Ciphers ControlPath HostKeyAlgorithms HostKeyAlias HostName ' +
      'IdentityAgent IdentityFile KexAlgorithms MACs PKCS11Provider PreferredAuthentications PubkeyAcceptedAlgorithms ' +
      'RevokedHostKeys SecurityKeyProvider StreamLocalBindMask Tag TunnelDevice User VersionAddendum XAuthLocation',
  ),
  ...kind(
    FLAG,
    'BatchMode CanonicalizeFallbackLocal CheckHostIP ClearAllForwardings Compression EnableEscapeCommandline ExitOnForwardFailure ' +
      'ForkAfterAuthentication ForwardX11 ForwardX11Trusted GatewayPorts GSSAPIAuthentication GSSAPIDelegateCredentials ' +
      'HashKnownHosts HostbasedAuthentication IdentitiesOnly KbdInteractiveAuthentication NoHostAuthenticationForLocalhost ' +
      'PasswordAuthentication PermitLocalCommand ProxyUseFdpass StdinNull StreamLocalBindUnlink TCPKeepAlive VisualHostKey',
  ),
  ...kind(COUNT, 'CanonicalizeMaxDots ConnectionAttempts NumberOfPasswordPrompts ServerAliveCountMax'),
  ...kind(TIME, 'ConnectTimeout ServerAliveInterval'),
  ...kind(/^(any|inet|inet6)$/i, 'AddressFamily'),
  ...kind(/^(yes|no|true|false|unbound|host-bound)$/i, 'PubkeyAuthentication'),
  ...kind(/^(none|subsystem|default)$/i, 'SessionType'),
  ...kind(/^(yes|no|true|false|off|ask|accept-new)$/i, 'StrictHostKeyChecking'),
  ...kind(/^\d{1,5}$/, 'Port'),
]);

function kind(what: Kind, keywords: string): [string, Kind][] {
  return keywords.split(' ').map((keyword) => [keyword.toLowerCase(), what]);
}

/** Returns the first word. ssh ignores what follows, too. */
function jumps(rest: string): string {
  const [first = ''] = rest
    .replace(/#.*/s, '')
    .trim()
    .split(/[ \t]+/);
  if (first === '') throw new Error('the value is missing');
  return first;
}
