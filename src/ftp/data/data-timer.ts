/** The limited waits of a data connection. */
export type TimerName =
  /** The server's port was dialled before the client asked for one. */
  | 'unclaimed'
  /**
   * The server has to connect to the listener at its side. A client's time is limited by ClientLeg.
   */
  | 'accept'
  /** The client's system has all bytes of a download, and its program may still be reading. */
  | 'reading'
  /** The client has all bytes of a download, and has to close. */
  | 'clientClose'
  /** The server says that the transfer is complete, and has to close. */
  | 'serverClose'
  /** The server has a little time to notice an ABOR. */
  | 'grace';

/** Runs one named timer at a time: starting another replaces it. */
export class DataTimer {
  #name: TimerName | null = null;
  #timer: NodeJS.Timeout | undefined;

  /** Calls `then` in `ms`, in place of the timer that runs. */
  start(name: TimerName, ms: number, then: () => void): void {
    this.stop();
    this.#name = name;
    this.#timer = setTimeout(() => {
      this.#name = null;
      then();
    }, ms);
  }

  /** Stops the timer that runs. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#name = null;
  }

  /** Name of the timer that runs; null if none does. */
  get runs(): TimerName | null {
    return this.#name;
  }
}
