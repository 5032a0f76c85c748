import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { isatty } from 'node:tty';
import { processWide } from '../../process-wide.ts';
import { within } from '../../within.ts';

/** How soon to retry a terminal that accepts nothing, in milliseconds. */
const RETRY = 50;
/** How many bytes to keep for a terminal that accepts nothing. Further text is dropped. */
const MAX_PENDING = 1 << 20;

/**
 * Writes to a terminal without waiting for it. Node's own streams block the whole process while a
 * person has stopped the terminal's output with Ctrl-S. Keeps what the terminal does not accept, in
 * order, and writes it later.
 */
export class TerminalWriter {
  readonly #fd: number;
  readonly #queue: Buffer[] = [];
  readonly #waiting = new Set<() => void>();
  #pending = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `fd` is a terminal, opened as non-blocking. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Bytes that the terminal has not accepted yet. */
  get pending(): number {
    return this.#pending;
  }

  write(text: string): void {
    const bytes = Buffer.from(text);
    if (this.#pending + bytes.length > MAX_PENDING) return;
    this.#queue.push(bytes);
    this.#pending += bytes.length;
    if (this.#timer === undefined) this.#flush();
  }

  /** Calls `drained` once, when the terminal has accepted everything. */
  onceDrained(drained: () => void): void {
    this.#waiting.add(drained);
    if (this.#pending === 0) this.#settle();
  }

  #flush(): void {
    this.#timer = undefined;
    try {
      for (let bytes = this.#queue[0]; bytes !== undefined; bytes = this.#queue[0]) {
        const written = writeSync(this.#fd, bytes);
        this.#pending -= written;
        if (written < bytes.length) this.#queue[0] = bytes.subarray(written);
        else this.#queue.shift();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        this.#timer = setTimeout(() => this.#flush(), RETRY);
        this.#timer.unref();
        return;
      }
      // The terminal is gone. Its reader gets the error.
      this.#queue.length = 0;
      this.#pending = 0;
    }
    this.#settle();
  }

  #settle(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const drained of waiting) drained();
  }
}

/**
 * By the terminal's device number: all writers of one terminal share a queue, which keeps their
 * order.
 */
const writers = processWide('terminal-writers', () => new Map<number, TerminalWriter>());

/**
 * Returns the writer of the terminal behind a descriptor; null if it is not a terminal or cannot be
 * opened. Opens the terminal again, because other programs share the descriptor and expect it to
 * block.
 */
export function terminalWriter(fd: number): TerminalWriter | null {
  if (!isatty(fd)) return null;
  const { rdev } = fstatSync(fd);
  return cached(rdev, () => {
    for (const path of pathsOf(fd, rdev)) {
      const opened = openWithoutBlocking(path);
      // /dev/tty has a number of its own.
      if (opened !== null && (path === CONTROLLING || fstatSync(opened).rdev === rdev)) return opened;
      if (opened !== null) closeSync(opened);
    }
    return null;
  });
}

/** Returns the writer of the controlling terminal; null if there is none. */
export function controllingTerminalWriter(): TerminalWriter | null {
  return cached(controllingTerminal() ?? 0, () => openWithoutBlocking(CONTROLLING));
}

/** Settles when every terminal has accepted what was written to it, or after `ms` milliseconds. */
export async function flushTerminals(ms: number): Promise<void> {
  const drained = [...writers.values()].map(
    (writer) => new Promise<void>((resolve) => writer.onceDrained(resolve)),
  );
  await within(ms, Promise.all(drained));
}

function cached(device: number, open: () => number | null): TerminalWriter | null {
  const known = writers.get(device);
  if (known !== undefined) return known;
  const fd = open();
  if (fd === null) return null;
  const writer = new TerminalWriter(fd);
  writers.set(device, writer);
  return writer;
}

const CONTROLLING = '/dev/tty';

/**
 * Returns possible names of the terminal with this device number. After su(1) only /dev/tty may be
 * opened.
 */
function* pathsOf(fd: number, rdev: number): Iterable<string> {
  if (process.platform === 'linux') {
    yield `/proc/self/fd/${fd}`;
    if (controllingTerminal() === rdev) yield CONTROLLING;
  } else if (process.platform !== 'win32') {
    for (const name of readdirSync('/dev')) {
      const path = `/dev/${name}`;
      if (name.startsWith('tty') && name !== 'tty' && deviceOf(path) === rdev) yield path;
    }
  }
}

function openWithoutBlocking(path: string): number | null {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return null;
  }
}

/**
 * Returns the device number of the controlling terminal: tty_nr of proc_pid_stat(5). The program's
 * name before it may contain blanks.
 */
function controllingTerminal(): number | null {
  try {
    const fields = readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(fields[4]);
  } catch {
    return null;
  }
}

function deviceOf(path: string): number | null {
  try {
    return statSync(path).rdev;
  } catch {
    return null;
  }
}
