import { addressFamily, type Endpoint, formatEndpoint } from '../../core/endpoint.ts';
import { type AddressError, formatSix, parseEprt, parsePort } from '../wire/address.ts';
import { ownPort } from '../wire/own-port.ts';
import type { CommandEntries } from './handler.ts';
import { type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';
import { ask, type Steps } from './steps.ts';

/** Answers PASV and EPSV (RFC 2428 3). The listener is bound before the reply names its port. */
function* passive(session: ServerSession, verb: 'PASV' | 'EPSV'): Steps<Reply> {
  session.dropPort();
  const port = session.newPortId();
  const family = verb === 'PASV' ? 4 : 'any';
  const answer = yield* ask<'listen'>({ kind: 'listen', port, family });
  if (!answer.ok) {
    session.emit({ type: 'drop', port });
    return reply(425, `No data port: ${answer.failure.words}`);
  }
  session.port = { id: port, listens: true };
  if (verb === 'EPSV') return reply(229, `Entering Extended Passive Mode (|||${answer.value.port}|)`);
  return reply(227, `Entering Passive Mode (${formatSix(answer.value)})`);
}

function pasv(session: ServerSession): Reply | Steps<Reply> {
  return session.settings.epsvAll ? afterEpsvAll('PASV') : passive(session, 'PASV');
}

function epsv(session: ServerSession, argument: string): Reply | Steps<Reply> {
  const asked = argument.trim().toUpperCase();
  if (asked === 'ALL') {
    // RFC 2428 4: from now on, data connections by EPSV only.
    session.settings.epsvAll = true;
    return reply(200, 'EPSV only from now on');
  }
  if (asked === '') return passive(session, 'EPSV');
  if (!/^\d+$/.test(asked)) return reply(501, 'EPSV takes 1, 2 or ALL');
  const own = protocolOf(session);
  return asked === own
    ? passive(session, 'EPSV')
    : reply(522, `Network protocol not supported, use (${own})`);
}

function active(
  session: ServerSession,
  verb: 'PORT' | 'EPRT',
  parse: (argument: string) => Endpoint | AddressError,
  argument: string,
): Reply {
  if (session.settings.epsvAll) return afterEpsvAll(verb);
  const { client, active } = session.policy;
  if (!active) return reply(502, 'Active mode is refused here; use EPSV or PASV');
  const named = parse(argument.trim());
  if (named === 'protocol') return reply(522, `Network protocol not supported, use (${protocolOf(session)})`);
  if (named === 'syntax') return reply(501, `Cannot read the address in ${verb}`);
  const { endpoint: to, allowed } = ownPort(named, client);
  if (!allowed) {
    session.note('ftp.bounce', `${verb} names ${formatEndpoint(to)}, which is refused`);
    return reply(500, `Illegal ${verb}: only your own address, and no port below 1024`);
  }
  session.dropPort();
  session.port = { id: session.newPortId(), listens: false, to };
  return reply(200, `${verb} command successful`);
}

function afterEpsvAll(verb: string): Reply {
  return reply(503, `${verb} is not allowed after EPSV ALL`);
}

/** RFC 2428 2: the number of the address family that the client reached the server by. */
function protocolOf({ policy }: ServerSession): '1' | '2' {
  return addressFamily(policy.local) === 6 ? '2' : '1';
}

export const portCommands: CommandEntries = {
  PASV: { run: pasv, usage: '' },
  EPSV: { run: epsv, usage: '[1 | 2 | ALL]' },
  PORT: {
    run: (session, argument) => active(session, 'PORT', parsePort, argument),
    usage: 'h1,h2,h3,h4,p1,p2',
    needsArgument: true,
  },
  EPRT: {
    run: (session, argument) => active(session, 'EPRT', parseEprt, argument),
    usage: '|family|address|port|',
    needsArgument: true,
  },
};
