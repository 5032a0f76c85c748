import type { Endpoint } from '../../core/endpoint.ts';
import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import type { SessionContext } from '../../core/plugin.ts';
import { type Offence, SocksDialogue } from './dialogue.ts';

/**
 * How long a client may take for its request, in milliseconds. It knows the destination before it
 * connects; ssh sets no limit.
 */
const REQUEST_TIMEOUT = 120_000;

/** A client's request, and the dialogue that replies to it. */
export interface Negotiated {
  readonly dialogue: SocksDialogue;
  readonly to: Endpoint;
}

/**
 * Reads the client's request. Leaves the client paused, and unreads the bytes after the request. If
 * the request is refused or does not come, answers the client and then rejects.
 */
export function negotiate({ client, signal }: SessionContext): Promise<Negotiated> {
  const dialogue = new SocksDialogue();
  return new Promise((resolve, reject) => {
    const finish = (act: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      client.off('data', onData).off('end', onGone).off('close', onGone).pause();
      act();
    };
    const onData = (chunk: Buffer) => {
      const step = dialogue.push(chunk);
      switch (step.kind) {
        case 'more':
          if (step.reply.length > 0) client.write(step.reply);
          break;
        case 'connect':
          if (step.reply.length > 0) client.write(step.reply);
          finish(() => {
            if (step.rest.length > 0) client.unshift(step.rest);
            resolve({ dialogue, to: step.to });
          });
          break;
        case 'refuse':
          if (step.reply.length > 0) client.end(step.reply);
          finish(() => reject(refused(step.offence)));
      }
    };
    const onGone = () =>
      finish(() =>
        reject(new GatewayError('PEER_RESET', 'the client disconnected before it sent a request')),
      );
    const onAbort = () => finish(() => reject(signal.reason));
    const timer = setTimeout(() => {
      const text = `the client sent no complete request within ${REQUEST_TIMEOUT / 1000} s`;
      finish(() => reject(new GatewayError('SESSION_IDLE', text)));
    }, REQUEST_TIMEOUT);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) return onAbort();
    client.on('data', onData).once('end', onGone).once('close', onGone);
    if (client.destroyed || client.readableEnded) onGone();
    else client.resume();
  });
}

const HINT = 'set it to SOCKS5 without a login';
const OFFENCES: Readonly<Record<Offence, readonly [code: ErrorCode, what: string, hint?: string]>> = {
  http: ['CLIENT_HTTP', 'a client sent an HTTP request to a SOCKS port', HINT],
  tls: ['CLIENT_TLS', 'a client started TLS on a SOCKS port', HINT],
  version: ['CLIENT_UNSUPPORTED', 'a client speaks neither SOCKS4 nor SOCKS5', HINT],
  method: ['CLIENT_UNSUPPORTED', 'a client requires a SOCKS login', HINT],
  bind: ['CLIENT_UNSUPPORTED', 'a client asked for SOCKS BIND, which SSH cannot carry'],
  udp: ['CLIENT_UNSUPPORTED', 'a client asked for UDP by SOCKS, which SSH cannot carry'],
  request: ['CLIENT_UNSUPPORTED', 'a client sent an invalid SOCKS request'],
};

function refused(offence: Offence): GatewayError {
  const [code, what, hint] = OFFENCES[offence];
  return new GatewayError(code, what, { hint });
}
