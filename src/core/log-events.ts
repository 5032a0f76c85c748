/** Levels of the log, from the most to the least urgent. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** The levels, fields and meaning of one log event. */
interface LogEventSpec {
  /** The levels that it is logged at. */
  readonly levels: readonly LogLevel[];
  /** Its fields, in the order of the documentation. A line has those that apply. */
  readonly fields: readonly string[];
  /** When it is logged, in Markdown. */
  readonly when: string;
}

const TRANSFER = ['id', 'session', 'forward', 'client', 'user', 'verb', 'path', 'direction', 'size'] as const;

/**
 * Every event of the log by name, in the order of docs/logs.md, whose table `npm run schema`
 * writes.
 */
export const LOG_EVENTS = {
  'transfer.end': {
    levels: ['info', 'warn'],
    fields: [...TRANSFER, 'outcome', 'bytes', 'ms', 'reply', 'code'],
    when: 'a transfer has ended, or was refused; `outcome` is `complete` or `failed`; `user` and `size` are null if unknown; `reply` is the code of the FTP reply that the client got; `id` is 0 if the transfer had no data connection',
  },
  'transfer.start': {
    levels: ['debug'],
    fields: TRANSFER,
    when: 'the server has announced the start of a transfer',
  },
  'session.start': {
    levels: ['debug'],
    fields: ['session', 'forward', 'client'],
    when: 'a client has connected',
  },
  'session.end': {
    levels: ['debug', 'warn'],
    fields: ['session', 'forward', 'bytesUp', 'bytesDown', 'ms', 'code'],
    when: "a client's connection has ended; warn if sshferry refused it, or if it broke for a reason other than the client",
  },
  'socks.request': {
    levels: ['debug'],
    fields: ['forward', 'session', 'to'],
    when: 'a client of a SOCKS forward asks for a destination',
  },
  'transport.state': {
    levels: ['debug', 'info', 'warn'],
    fields: ['server', 'state', 'code'],
    when: 'an SSH connection has changed its state: `connecting`, `ready`, `backoff` (lost; sshferry will retry), `failed`, `draining`, `closed`',
  },
  'tls.ready': {
    levels: ['debug'],
    fields: ['forward', 'session', 'version', 'cipher'],
    when: 'TLS with a target has begun',
  },
  'tls.expires': {
    levels: ['warn'],
    fields: ['forward', 'session', 'days'],
    when: "the certificate of a forward's target, or the one for its clients (`listenTls`), has less than 14 days left; once a day",
  },
  'client-tls.ready': {
    levels: ['debug'],
    fields: ['forward', 'session', 'version', 'cipher', 'resumed'],
    when: 'TLS with a client has begun (`listenTls`), on its control connection or a data connection; `resumed` if it continues the session of an earlier connection',
  },
  'client-tls.truncated': {
    levels: ['debug'],
    fields: ['forward', 'session'],
    when: 'a client has ended a data connection without TLS’s close_notify, as many clients do; a reset would count as broken',
  },
  'tls.unverified': {
    levels: ['warn'],
    fields: ['forward'],
    when: 'a forward accepts any certificate (`verify: false`); at each start',
  },
  'tls.truncated': {
    levels: ['debug'],
    fields: ['forward', 'session'],
    when: 'an FTP server has ended a data connection without TLS’s close_notify; its reply decides whether all has come',
  },
  'forward.listening': {
    levels: ['debug'],
    fields: ['forward', 'host', 'port'],
    when: "a forward's port is bound",
  },
  'forward.ready': {
    levels: ['info'],
    fields: ['forward', 'type', 'direction', 'listen', 'target', 'server', 'outsideSsh'],
    when: 'all forwards listen: one line for each; only in JSON',
  },
  background: {
    levels: ['debug'],
    fields: ['pid'],
    when: 'all forwards listen, and the process goes to the background (`-f`)',
  },
  'forward.lost': {
    levels: ['error'],
    fields: ['forward'],
    when: 'a reload failed, and an unchanged forward could not bind its port again',
  },
  'listener.closed-early': {
    levels: ['debug', 'warn'],
    fields: ['port', 'from', 'sent', 'count'],
    when: 'connections were refused because their programs closed them before sshferry could look up the owner (`LocalUsers`); warn if data was sent on them',
  },
  'listener.refused-user': {
    levels: ['warn'],
    fields: ['port', 'from', 'uid', 'user', 'count'],
    when: 'connections of another user of this machine were refused (`LocalUsers`): the first at once, then `count` of them once a minute; `port` and `from` are those of the last one',
  },
  'client.refused': {
    levels: ['warn'],
    fields: ['forward', 'code', 'count'],
    when: 'a client was refused: `CLIENT_HTTP`, `CLIENT_TLS`, `CLIENT_TLS_FAILED`, `CLIENT_EARLY` if it spoke before the greeting, `CLIENT_INJECTION` if it sent more in the clear after the command that begins TLS, `SESSION_LIMIT`, or `LOGIN_TIMEOUT`; at most once a minute for each forward and code, with a count',
  },
  'listener.full': {
    levels: ['warn'],
    fields: ['count'],
    when: 'clients were refused because nearly all file descriptors are in use; at most once a minute',
  },
  'local-users.unsupported': {
    levels: ['debug'],
    fields: [],
    when: "this system does not report a connection's owner (`LocalUsers`)",
  },
  'ftp.bounce': {
    levels: ['warn'],
    fields: ['session', 'forward'],
    when: "PORT or EPRT named an address other than the client's",
  },
  'ftp.data.foreign': {
    levels: ['warn'],
    fields: ['session', 'forward', 'from', 'port'],
    when: "a host other than the client's connected to a data port",
  },
  'ftp.data.other-kind': {
    levels: ['debug'],
    fields: ['session', 'forward'],
    when: 'sshferry asks the server for PASV instead of EPSV, or the reverse; `msg` says why',
  },
  'ftp.data.refused': {
    levels: ['warn'],
    fields: ['session', 'forward', 'port', 'count'],
    when: 'sshferry refused PASV, EPSV or PORT itself, and `msg` says why; or, with `port` and `count`, it refused connections to a data port whose programs closed them before it could look up the owner (`LocalUsers`)',
  },
  'ftp.data.unreachable': {
    levels: ['debug'],
    fields: ['session', 'forward', 'host', 'port'],
    when: 'a data port of the FTP server could not be reached',
  },
  'ftp.data.prohibited': {
    levels: ['warn'],
    fields: ['session', 'forward', 'host', 'port'],
    when: 'sshd forbids forwarding to the data port',
  },
  'ftp.login.failed': {
    levels: ['warn'],
    fields: ['session', 'forward', 'user', 'from'],
    when: "a login to sshferry's own FTP server failed; `from` is the client's address",
  },
  'ftp.prefetch.off': {
    levels: ['debug', 'info'],
    fields: ['session', 'forward'],
    when: 'the session continues without `FtpPrefetch`: the greeting does not name vsftpd (at info), the server does not support it, or the client disconnected or sent QUIT, REIN, USER, HOST, PORT, EPRT, LPRT or EPSV ALL',
  },
  'ftp.reply.dropped': {
    levels: ['debug'],
    fields: ['session', 'forward'],
    when: 'sshferry dropped a reply of the server that answers no command',
  },
  'ftp.store.failed': {
    levels: ['warn'],
    fields: ['session', 'forward', 'err'],
    when: "the file store of sshferry's own FTP server failed in a way that has no code of its own",
  },
  'sftp.remark': {
    levels: ['info'],
    fields: ['session', 'forward', 'code'],
    when: 'something about the SFTP server is worth knowing, though all works; logged once',
  },
  'spool.stored': {
    levels: ['info'],
    fields: ['forward', 'path', 'bytes'],
    when: 'an upload, or a new folder, was taken into the spool, on disk; the client got 226 or 257',
  },
  'spool.delivered': {
    levels: ['info'],
    fields: ['forward', 'path', 'bytes', 'ms'],
    when: 'an upload of the spool is on the server; `ms` is the time since the client got 226',
  },
  'spool.refused': {
    levels: ['warn'],
    fields: ['forward', 'path', 'bytes', 'reason'],
    when: 'the server refused an upload of the spool; it stays in the spool and is tried again; logged again if the reason changes',
  },
  'spool.waiting': {
    levels: ['info'],
    fields: ['forward', 'files', 'bytes', 'since'],
    when: 'at the start, uploads of an earlier run wait in the spool; `since` is in milliseconds since 1970',
  },
  'spool.unconnected': {
    levels: ['warn'],
    fields: ['forward', 'server'],
    when: 'at the start, the SSH server cannot be reached; uploads go to the spool until it can',
  },
  'spool.left': {
    levels: ['warn'],
    fields: ['forward', 'files', 'bytes'],
    when: 'a forward with a spool has ended; uploads wait there, and are delivered when sshferry serves that spool again',
  },
  'spool.damaged': {
    levels: ['error'],
    fields: ['forward', 'file'],
    when: 'at the start, a file of the spool cannot be used; it stays there',
  },
  'ssh.agent': {
    levels: ['debug', 'warn'],
    fields: ['server', 'socket'],
    when: 'the agent cannot be reached, or did not answer',
  },
  'ssh.auth': {
    levels: ['debug'],
    fields: ['server', 'method', 'err'],
    when: 'sshferry tries an authentication method, or has given up the login',
  },
  'ssh.backoff': {
    levels: ['debug'],
    fields: ['server', 'ms'],
    when: 'the delay before the next attempt to connect',
  },
  'ssh.data': {
    levels: ['debug', 'warn'],
    fields: ['server', 'err'],
    when: 'an additional SSH connection for data failed, so the main one carries the data; warn if the server did not prove its host key there',
  },
  'ssh.engine': {
    levels: ['debug', 'info', 'warn'],
    fields: ['server', 'engine'],
    when: "OpenSSH's `ssh` logs in instead of ssh2 (`SshEngine`), and why; info if ssh2 and the server have no algorithm in common, or if options have no effect beside `-S`; warn if the login needs `ssh`, and there is none",
  },
  'ssh.openssh': {
    levels: ['warn', 'debug', 'trace'],
    fields: ['server'],
    when: 'what `ssh` itself reports, if it is the engine; at trace also its debug output; warn if it cannot ask questions',
  },
  'ssh.handshake': {
    levels: ['debug'],
    fields: ['server', 'negotiated'],
    when: 'a key exchange has finished; `negotiated` lists the algorithms',
  },
  'ssh.host-key.added': {
    levels: ['info'],
    fields: ['server', 'host', 'file', 'fingerprint'],
    when: 'a host key was added to known_hosts',
  },
  'ssh.identity': {
    levels: ['debug', 'warn'],
    fields: ['server', 'file'],
    when: 'a key file was skipped',
  },
  'ssh.known-hosts': {
    levels: ['debug', 'warn'],
    fields: ['server', 'file'],
    when: 'a known_hosts file cannot be read or written, or has lines that sshferry ignores',
  },
  'ssh.listen': {
    levels: ['debug', 'info', 'warn'],
    fields: ['server', 'err', 'endpoint'],
    when: 'a listener on the server (`-R`) failed, or listens again',
  },
  'ssh.retry': {
    levels: ['warn'],
    fields: ['server', 'err'],
    when: 'the first attempt to connect failed; sshferry retries (`ConnectionAttempts`)',
  },
  'ssh.session': {
    levels: ['debug'],
    fields: ['server'],
    when: 'the server opened no session; the tunnel works without one',
  },
  ssh_config: {
    levels: ['debug'],
    fields: [],
    when: 'a line or key of ssh_config is ignored',
  },
  reload: {
    levels: ['info'],
    fields: [],
    when: 'a reload has applied one change; `msg` names it',
  },
  'reload.failed': {
    levels: ['error'],
    fields: ['code'],
    when: 'the changed config file cannot be applied; nothing changes',
  },
  'log.lost': {
    levels: ['warn'],
    fields: ['lines'],
    when: '`lines` lines before this one were dropped: the terminal was stopped (Ctrl-S), or a pipe was full',
  },
  service: {
    levels: ['warn'],
    fields: [],
    when: 'systemd could not be notified',
  },
  'status.unavailable': {
    levels: ['warn'],
    fields: [],
    when: '`sshferry status` will not find this process',
  },
  stopping: {
    levels: ['debug', 'info'],
    fields: ['signal', 'clients'],
    when: 'a signal stops sshferry; at info, `clients` may finish first',
  },
  note: {
    levels: ['debug'],
    fields: [],
    when: 'a note on the command line, or on the version and its native parts',
  },
  fatal: {
    levels: ['error'],
    fields: ['code'],
    when: 'a failure ended sshferry',
  },
  crash: {
    levels: ['error'],
    fields: ['stack'],
    when: 'a bug in sshferry ended it; `stack` at `-v`',
  },
  message: {
    levels: ['error', 'warn', 'info', 'debug', 'trace'],
    fields: [],
    when: 'a line without a name of its own, such as one from a plugin of a library user; it can have any fields',
  },
} as const satisfies Record<string, LogEventSpec>;

/** The name of an event of the log. */
export type LogEvent = keyof typeof LOG_EVENTS;

type Field<E extends LogEvent> = (typeof LOG_EVENTS)[E]['fields'][number];

/** The fields of one event, `event` among them. */
type FieldsOf<E extends LogEvent> = E extends 'message'
  ? { readonly event: E; readonly [field: string]: unknown }
  : { readonly event: E } & { readonly [F in Exclude<Field<E>, 'event'>]?: unknown };

/** An event that is logged at that level. */
type EventAt<L extends LogLevel> = {
  [E in LogEvent]: L extends (typeof LOG_EVENTS)[E]['levels'][number] ? E : never;
}[LogEvent];

/**
 * The fields of a line at that level: a documented event, and only the fields that are documented
 * for it.
 */
export type LogFields<L extends LogLevel> = { [E in EventAt<L>]: FieldsOf<E> }[EventAt<L>];
