import { escapeControls } from '../text/control-characters.ts';

/** Error codes of a check, besides those of a tunnel. */
export type ProbeCode =
  /** A server accepted the connection and then sent nothing in time. */
  | 'NO_ANSWER'
  /** A server hung up instead of replying. */
  | 'HUNG_UP'
  /** A server does not speak the forward's protocol, or refuses to serve. */
  | 'WRONG_GREETING'
  | 'TLS_REQUIRED'
  | 'FTP_LOGIN'
  /** The FTP user is known, but the password is missing or must not be used. */
  | 'NO_PASSWORD'
  /** The FTP server refused a command that a listing needs. */
  | 'FTP_REFUSED';

/**
 * A failure that a check found and that is not a GatewayError. The message says what it means and
 * what to change.
 */
export class ProbeFailure extends Error {
  override readonly name = 'ProbeFailure';
  readonly code: ProbeCode;

  constructor(code: ProbeCode, message: string) {
    super(escapeControls(message));
    this.code = code;
  }
}
