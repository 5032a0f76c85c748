import type { LogEvent } from './log-line.ts';
import { type Ports, SERVICES, type Service } from './options.ts';
import type { Received } from './smtp-sink.ts';

type LogEventOf<Name extends LogEvent['event']> = Extract<LogEvent, { event: Name }>;

/** Reports the traffic line by line, and sums it up at the end. */
export class Report {
  readonly #ports: Ports;
  readonly #print: (line: string) => void;
  /** The service of each forward, by the name of the forward. */
  readonly #services = new Map<string, Service>();
  #transfers = 0;
  #bytes = 0;
  #sent = 0;
  #read = 0;

  constructor(ports: Ports, print: (line: string) => void) {
    this.#ports = ports;
    this.#print = print;
  }

  /** Reports an event of sshferry's log. */
  event(event: LogEvent): void {
    switch (event.event) {
      case 'forward.listening':
        this.#remember(event.forward, event.port);
        break;
      case 'transfer.end':
        this.#transfer(event);
        break;
      case 'session.end':
        this.#session(event);
        break;
      case 'transport.state':
        if (event.state === 'backoff') this.#tell('ssh', 'lost', event.msg);
    }
  }

  #remember(forward: string, port: number): void {
    const service = SERVICES.find((name) => this.#ports[name] === port);
    if (service !== undefined) this.#services.set(forward, service);
  }

  #transfer({ verb, path, direction, outcome, bytes, ms, msg }: LogEventOf<'transfer.end'>): void {
    if (outcome === 'failed') {
      this.#tell('ftp', 'failed', msg);
      return;
    }
    this.#transfers += 1;
    this.#bytes += bytes;
    this.#tell('ftp', direction, `${verb} ${path}`.trimEnd(), `${size(bytes)} in ${Math.ceil(ms)} ms`);
  }

  /**
   * Reports sessions of mail, in which sshferry sees no transfers. Control connections of FTP are
   * not worth a line.
   */
  #session({ forward, bytesUp, bytesDown, level, msg }: LogEventOf<'session.end'>): void {
    const service = this.#services.get(forward);
    if (service === undefined || service === 'ftp') return;
    const traffic = `${size(bytesUp)} up, ${size(bytesDown)} down`;
    this.#tell(service, 'session', level === 'debug' ? traffic : msg);
  }

  /** Reports a letter that the SMTP sink has delivered as letter `number` of the mailbox. */
  sent({ from, to }: Received, number: number): void {
    this.#sent += 1;
    const back = `curl pop3://demo:demo@localhost:${this.#ports.pop3}/${number}`;
    this.#tell('smtp', 'sent', `${from || '<>'} to ${to.join(', ')}`, `read it: ${back}`);
  }

  /** Reports a letter that a client has read by POP3. */
  read(number: number, bytes: number): void {
    this.#read += 1;
    this.#tell('pop3', 'read', `letter ${number}`, size(bytes));
  }

  summary(): string {
    return `${count(this.#transfers, 'transfer')} (${size(this.#bytes)}), ${count(this.#sent, 'letter')} sent, ${this.#read} read`;
  }

  #tell(service: string, what: string, subject: string, detail = ''): void {
    const time = new Date().toTimeString().slice(0, 8);
    const line = `  ${time}  ${service.padEnd(4)}  ${what.padEnd(8)}  ${subject.padEnd(28)}  ${detail}`;
    // Names come from clients: the terminal must not get controls.
    this.#print(line.trimEnd().replace(/[\u0000-\u001f\u007f-\u009f]/g, '?'));
  }
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** Formats bytes for people, with three digits. */
function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [value, unit] =
    bytes < 1e6 ? [bytes / 1e3, 'kB'] : bytes < 1e9 ? [bytes / 1e6, 'MB'] : [bytes / 1e9, 'GB'];
  return `${value.toFixed(1)} ${unit}`;
}
