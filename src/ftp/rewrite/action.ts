import type { Endpoint } from '../../core/endpoint.ts';
import type { GatewayError } from '../../core/errors.ts';
import type { LogEvent } from '../../core/log-events.ts';
import type { Direction } from '../wire/command.ts';

/** The two ends of the control connection. */
export type Side = 'client' | 'server';

/** Who wrote the bytes of a `send`: the other side, or sshferry itself. */
export type Author = Side | 'sshferry';

/** An action that FtpControl asks for. Ids name data connections; no id is used twice. */
export type Action =
  | { type: 'send'; to: Side; from: Author; bytes: Uint8Array }
  /** No more bytes go to that side: close the writing half once all is sent. */
  | { type: 'end'; to: Side }
  /**
   * Send the client this reply, and begin TLS. If more of the client's has been read by then, end
   * the session instead, without the reply.
   */
  | { type: 'secure'; reply: Uint8Array }
  /** Data connections of the client that are offered or dialled from now on are in TLS, or not. */
  | { type: 'protect'; on: boolean }
  /**
   * Make `dial` reachable. `on: 'local'`: bind a listener for the client, and dial the server's
   * data port at once, without waiting for the client. Answer with complete(id, …); with `reach`,
   * once the server's port is reached as well. `family: 4` if only an IPv4 address can be named.
   * One that was dialled before keeps that connection.
   */
  | { type: 'offer'; id: number; on: 'local'; dial: Endpoint; family: 4 | 'any'; reach: boolean }
  /**
   * Bind a listener for the server, on that loopback address of its side; `dial` is the client's
   * own. Answer with complete(id, …).
   */
  | { type: 'offer'; id: number; on: 'remote'; dial: Endpoint; family: 4 | 6 }
  /**
   * Dial the server's data port at once and keep the connection until `connect` or `offer`, for
   * `forMs` at most. With `reach`, answer with complete(id, …).
   */
  | { type: 'dial'; id: number; to: Endpoint; forMs: number | null; reach: boolean }
  /** Active mode: reach the client's own port and join the two. Answer with complete(id, …). */
  | { type: 'connect'; id: number; to: Endpoint }
  /** The client will send nothing on it: close the writing half at the server's end. */
  | { type: 'halfClose'; id: number }
  /**
   * The server says that the transfer is complete, and its end is open: once no byte has moved for
   * a minute, that counts as broken by the server. `on: false` takes that back.
   */
  | { type: 'expectClose'; id: number; on: boolean }
  /**
   * The data connection is no longer wanted: reset its client's end, and its server's end after
   * `graceMs`. No answer.
   */
  | { type: 'abandon'; id: number; graceMs: number }
  /** `size`: how many bytes it is going to carry; null, like `user`, if that is not known. */
  | {
      type: 'transfer';
      phase: 'start';
      id: number;
      verb: string;
      path: string;
      direction: Direction;
      user: string | null;
      size: number | null;
    }
  /**
   * The client has the final reply to the transfer: `code` is its code. No later action names this
   * id.
   */
  | { type: 'transfer'; phase: 'end'; id: number; code: number; error: GatewayError | null }
  /**
   * A transfer did not come to be. `id` is 0 if it had no data connection. `error` is null if the
   * server refused it.
   */
  | {
      type: 'transfer';
      phase: 'refused';
      id: number;
      verb: string;
      path: string;
      direction: Direction;
      user: string | null;
      code: number;
      error: GatewayError | null;
    }
  /** Call elapsed(id) in `ms`. */
  | { type: 'timer'; id: number; ms: number }
  /** Something to log. */
  | { type: 'log'; event: LogEvent; text: string; level: 'debug' | 'info' | 'warn' }
  /** The session cannot go on: send the client the reason, and end all. */
  | { type: 'close'; reason: GatewayError };

/** Where the client or server can reach the data connection, or why it cannot. */
export type Completion = { endpoint: Endpoint } | { error: GatewayError };

/** How the bytes of a data connection ended in one direction. */
export type DataEnd =
  /** The source's end-of-file was passed on and everything before it flushed. */
  | { how: 'whole' }
  /**
   * Anything else. `by` names who broke it; 'gateway' is sshferry or SSH. `stood`: both ends had
   * been connected.
   */
  | { how: 'cut'; by: 'client' | 'server' | 'gateway'; stood: boolean; error: GatewayError };
