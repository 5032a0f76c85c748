import type { Duplex } from 'node:stream';
import type { ClientTls } from '../../core/client-tls.ts';
import { GatewayError } from '../../core/errors.ts';
import type { SessionContext } from '../../core/plugin.ts';
import type { Greeted } from '../greeting.ts';
import type { StartTlsRules } from './rules.ts';
import { type Side, StartTls, type StartTlsAction } from './start-tls.ts';

/** How many bytes of a client may wait for a reply before no more are read. */
const MOST_HELD = 4096;

/** The session between greeting and login. */
export interface UntilLogin extends Greeted {
  readonly rules: StartTlsRules;
}

/**
 * Carries a mail session up to the login, and begins TLS with a client that asks for it. Resolves
 * to true when all else passes as it comes: both streams are paused then, and nothing of them was
 * lost. Resolves to false if the session is over. Rejects with the error that ended it.
 */
export async function untilLogin(
  session: SessionContext,
  clientTls: ClientTls,
  { server, gate, said, rules }: UntilLogin,
): Promise<boolean> {
  const { client, signal } = session;
  const dialogue = new StartTls(rules, clientTls.required);
  const streams: Readonly<Record<Side, Duplex>> = { client, server };
  const { promise, settle } = outcome();

  const perform = (actions: readonly StartTlsAction[]) => {
    for (const action of actions) {
      if (action.type === 'send') streams[action.to].write(action.bytes);
      else if (action.type === 'secure') clientTls.begin().catch(() => {});
      else settle(action);
    }
    pace();
  };
  const pace = () => {
    const isFull = client.writableNeedDrain || server.writableNeedDrain;
    client[isFull || dialogue.waiting > MOST_HELD ? 'pause' : 'resume']();
    server[isFull ? 'pause' : 'resume']();
  };
  const received = (side: Side) => (chunk: Buffer) => {
    const passed = side === 'client' ? gate.pass(chunk) : chunk;
    session.count(side === 'client' ? 'up' : 'down', passed.length);
    if (passed.length > 0) perform(dialogue.receive(side, passed));
  };
  const ended = (side: Side) => () => {
    if (side === 'client') perform(dialogue.receive(side, gate.rest()));
    perform(dialogue.end(side));
  };
  // The pump deals with a stream that is lost.
  const lost = () => settle({ type: 'open' });
  const undo: (() => void)[] = [];
  for (const side of ['client', 'server'] as const) {
    const listeners = { data: received(side), end: ended(side), error: lost, close: lost, drain: pace };
    for (const [event, listener] of Object.entries(listeners)) {
      streams[side].on(event, listener);
      undo.push(() => streams[side].off(event, listener));
    }
  }
  signal.addEventListener('abort', lost, { once: true });
  try {
    perform(dialogue.receive('client', said));
    for (const side of ['client', 'server'] as const) {
      if (streams[side].readableEnded) ended(side)();
      if (streams[side].destroyed) lost();
    }
    const last = await promise;
    signal.throwIfAborted();
    if (last.type === 'close') throw last.reason;
    if (client.errored instanceof GatewayError) throw client.errored;
    if (last.type === 'finish') client.end();
    return last.type === 'open';
  } finally {
    for (const step of undo) step();
    signal.removeEventListener('abort', lost);
    client.pause();
    server.pause();
  }
}

type Outcome = Exclude<StartTlsAction, { type: 'send' | 'secure' }>;

function outcome() {
  let settle: (outcome: Outcome) => void = () => {};
  const promise = new Promise<Outcome>((resolve) => {
    settle = resolve;
  });
  return { promise, settle };
}
