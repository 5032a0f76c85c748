import type { Line } from '../../core/lines.ts';
import {
  type Command,
  type Direction,
  hasStrayNul,
  isKnown,
  parseCommand,
  shownName,
  transferDirection,
} from '../wire/command.ts';
import { stripTelnet } from '../wire/telnet.ts';
import { reply } from '../wire/words.ts';
import type { ClientSecurity } from './client-security.ts';
import type { Dialogue } from './dialogue.ts';
import type { PassiveVerb } from './pending.ts';
import type { PortRequests } from './port-requests.ts';
import type { Prefetch } from './prefetch.ts';
import { LOGIN_VERBS } from './reply-cut-in.ts';
import { TELLING_VERBS, type TransferFacts } from './transfer-facts.ts';
import type { TransferFailures } from './transfer-failures.ts';
import type { Transfers } from './transfers.ts';

const EMPTY_COMMAND = reply(500, 'Empty command');
/** It ends TLS at the server (RFC 4217 6), and what follows would go in the clear. */
const NO_REIN = reply(502, 'sshferry: REIN would end TLS with the server; connect again');
const NO_TLS = reply(502, 'sshferry: no TLS here, it would hide the data ports; SSH encrypts already');

type Handler = (command: Command) => void;

/** The parts of FtpControl that commands go to. */
interface RouterDeps {
  readonly security: ClientSecurity;
  readonly ports: PortRequests;
  readonly transfers: Transfers;
  readonly failures: TransferFailures;
  readonly prefetch: Prefetch;
  readonly facts: TransferFacts;
}

/**
 * Takes the client's command lines, one after the other, and hands each to what deals with its
 * verb.
 */
export class CommandRouter {
  readonly #dialogue: Dialogue;
  readonly #deps: RouterDeps;
  /** Verb → handler. Any other verb passes as it came. */
  readonly #routes: ReadonlyMap<string, Handler>;
  /** Empty lines and unknown commands before a login. */
  #strays = 0;

  constructor(dialogue: Dialogue, deps: RouterDeps) {
    this.#dialogue = dialogue;
    this.#deps = deps;
    const { ports, transfers, failures, facts } = deps;
    const routes = new Map<string, Handler>();
    const route = (verbs: string, handler: Handler) => {
      for (const verb of verbs.split(' ')) routes.set(verb, handler);
    };
    route('PASV LPSV', ({ verb, argument, bytes }) => ports.onPassive(verb as PassiveVerb, argument, bytes));
    // Clients send P@SW in place of PASV past firewalls that rewrite PASV; SSH passes none.
    route('P@SW', ({ verb, bytes }) => ports.onPassive('PASV', verb, bytes));
    route('EPSV', (command) => this.#onEpsv(command));
    route('PORT EPRT LPRT', ({ verb, argument }) =>
      ports.onActive(verb as 'PORT' | 'EPRT' | 'LPRT', argument),
    );
    for (const verb of ['RETR', 'LIST', 'NLST', 'MLSD', 'STOR', 'STOU', 'APPE'])
      route(verb, (command) => this.#onTransfer(command, transferDirection(verb) ?? 'download'));
    route('ABOR', (command) => {
      this.#pass(command);
      failures.onAbort();
    });
    route('FEAT', ({ bytes }) => dialogue.forward({ kind: 'feat', verb: 'FEAT' }, bytes));
    route('MODE', (command) => this.#pass(command, () => transfers.setMode(command.argument)));
    route('STRU', (command) => this.#pass(command, () => transfers.setStructure(command.argument)));
    route('REIN', (command) => {
      if (dialogue.policy.secured) dialogue.replyLocally('REIN', NO_REIN);
      else this.#pass(command, () => this.#reinitialize());
    });
    route('ALLO', (command) => {
      facts.allo(command.argument);
      this.#pass(command);
    });
    // RFC 4217 and 2228: after these sshferry could no longer read the control connection.
    route('AUTH ADAT PBSZ PROT CCC MIC CONF ENC', ({ verb }) => dialogue.replyLocally(verb, NO_TLS));
    // Transfers from one server to another over TLS, as drftpd and others have them.
    route('CPSV SSCN', ({ verb }) => {
      const words = `sshferry: ${verb} is for transfers between two servers, which do not pass here`;
      dialogue.replyLocally(verb, reply(502, words));
    });
    this.#routes = routes;
  }

  /** Deals with one line of the client. */
  onLine(line: Line): void {
    const { pending, policy } = this.#dialogue;
    if (pending.length >= policy.limits.pending) {
      return this.#dialogue.exceeded(`more than ${policy.limits.pending} commands without a reply`);
    }
    const command = line === 'too-long' ? null : parseCommand(stripTelnet(line));
    if (command === null || !isKnown(command.verb)) this.#countStray();
    if (this.#dialogue.closed) return;
    if (command === null) {
      const words = `Command line too long (over ${policy.limits.command} bytes)`;
      return this.#dialogue.replyLocally('', reply(500, words));
    }
    if (hasStrayNul(command.bytes)) return this.#dialogue.replyLocally('', reply(501, 'NUL in command line'));
    if (command.verb === '') return this.#dialogue.replyLocally('', EMPTY_COMMAND);
    if (this.#deps.security.onCommand(command)) return;
    this.#deps.prefetch.onCommand(command.verb, command.argument);
    const handler = this.#routes.get(command.verb);
    if (handler === undefined) this.#pass(command);
    else handler(command);
  }

  /**
   * No client needs many of these before it logs in; each costs sshferry more time than the client.
   */
  #countStray(): void {
    if (this.#dialogue.everLoggedIn) return;
    this.#strays += 1;
    const { strays } = this.#dialogue.policy.limits;
    if (this.#strays >= strays) this.#dialogue.exceeded(`${strays} empty or unknown commands before a login`);
  }

  #onEpsv(command: Command): void {
    const { ports } = this.#deps;
    const { argument, bytes } = command;
    if (argument.toUpperCase() !== 'ALL') return ports.onPassive('EPSV', argument, bytes);
    // RFC 2428 4: from now on, data connections by EPSV only.
    this.#pass(command, () => ports.setEpsvAll(true));
  }

  #onTransfer(command: Command, direction: Direction): void {
    const { prefetch, transfers } = this.#deps;
    if (prefetch.misleads && !this.#dialogue.pending.someFromClient(({ kind }) => kind === 'port')) {
      return this.#dialogue.replyLocally(command.verb, reply(425, 'Use PASV or EPSV first'));
    }
    const transfer = transfers.onCommand(command, direction);
    if (transfer !== null) prefetch.follow(transfer);
  }

  #reinitialize(): void {
    const { ports, transfers } = this.#deps;
    this.#dialogue.loggedIn = false;
    ports.setEpsvAll(false);
    transfers.setMode('S');
    transfers.setStructure('F');
  }

  /** Sends a command on; calls `taken` once the server has accepted it. */
  #pass(command: Command, taken?: () => void): void {
    const { verb, argument, bytes } = command;
    const done = (code: number, line: string) => {
      if (TELLING_VERBS.has(verb)) this.#deps.facts.onReply(command, code, line);
      if (LOGIN_VERBS.has(verb) && code < 300) this.#dialogue.recordLogin();
      // The next password is another user's.
      if (verb === 'USER' && code >= 300 && code < 400) this.#dialogue.loggedIn = false;
      if (code < 300) taken?.();
    };
    this.#dialogue.forward({ kind: 'passed', verb, path: shownName(argument), done }, bytes);
  }
}
