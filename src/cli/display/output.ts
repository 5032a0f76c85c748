/** A sink for text, such as a standard stream. */
export interface Output {
  /** Calls `done` when the reader has accepted the text. */
  write(text: string, done?: () => void): unknown;
  readonly isTTY?: boolean;
  readonly fd?: number;
  /** Bytes that the reader has not accepted yet. */
  readonly writableLength?: number;
  /** The size of a terminal. */
  readonly columns?: number;
  readonly rows?: number;
  /** A terminal emits `resize`; a pipe emits `error` when its reader is gone. */
  on?(event: 'resize' | 'error', listener: () => void): unknown;
  off?(event: 'resize' | 'error', listener: () => void): unknown;
}

/** A source of keys, such as standard input. */
export interface Keys {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  off(event: 'data', listener: (bytes: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}
