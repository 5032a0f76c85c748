/** A place that text is written to, such as a standard stream. */
export interface Output {
  /** `done` is called when the reader has taken the text. */
  write(text: string, done?: () => void): unknown;
  readonly isTTY?: boolean;
  readonly fd?: number;
  /** Bytes that wait for the reader. */
  readonly writableLength?: number;
  /** The size of a terminal. */
  readonly columns?: number;
  readonly rows?: number;
  /** A terminal tells when its size changes, a pipe when nobody reads it any more. */
  on?(event: 'resize' | 'error', listener: () => void): unknown;
  off?(event: 'resize' | 'error', listener: () => void): unknown;
}

/** Where keys come from, such as standard input. */
export interface Keys {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  off(event: 'data', listener: (bytes: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}
