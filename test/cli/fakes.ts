import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { run } from '../../src/cli/commands/run.ts';
import type { Output } from '../../src/cli/display/output.ts';
import type { Environment } from '../../src/cli/environment.ts';
import type { GatewayError } from '../../src/core/errors.ts';
import { PRIVATE_SOCKET } from '../../src/core/socket-file.ts';
import type { ResolvedSsh, SshInput } from '../../src/core/ssh/config/ssh-config.ts';
import type { SshOptions } from '../../src/core/ssh/options.ts';
import type { ManagedTransport, Transport, TransportState } from '../../src/core/transport.ts';
import { plugins as schemas } from '../config/plugins.ts';

/** Text written so far. */
export class Written implements Output {
  text = '';
  readonly isTTY: boolean;

  constructor(isTTY = false) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.text += text;
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }
}

/** A transport whose states the test sets. */
export class FakeTransport implements ManagedTransport {
  state: TransportState = 'idle';
  stopped = 0;
  stopping: Promise<void> = Promise.resolve();
  readonly #startup: Promise<void>;
  #listener: (state: TransportState, error?: GatewayError) => void = () => {};

  constructor(startup: Promise<void> = Promise.resolve()) {
    this.#startup = startup;
    startup.catch(() => {});
  }

  start = () => this.#startup;
  openStream = () => Promise.reject(new Error('nothing is dialled here'));
  listen: Transport['listen'] = () => Promise.reject(new Error('nothing listens there'));

  stop(): Promise<void> {
    this.stopped += 1;
    return this.stopping;
  }

  onState(listener: (state: TransportState, error?: GatewayError) => void): void {
    this.#listener = listener;
  }

  become(state: TransportState, error?: GatewayError): void {
    this.state = state;
    this.#listener(state, error);
  }
}

/** Binds nothing and says it did; port 0 becomes 40000. */
export const localhost: Transport = {
  openStream: () => Promise.reject(new Error('nothing is dialled here')),
  listen: async ({ host, port }) => ({ endpoint: { host, port: port || 40_000 }, close: async () => {} }),
};

/** A world in which nothing is real; what is given stands in for its parts. */
export function environment(over: Partial<Environment> = {}): Environment {
  const stderr = over.stderr ?? new Written();
  return {
    version: '1.2.3',
    stdout: new Written(),
    stderr,
    env: { LANG: 'C.UTF-8', HOME: '/nonexistent' },
    script: '/nonexistent',
    cwd: '/nonexistent',
    platform: 'linux',
    process: new EventEmitter(),
    plugins: schemas.map((plugin) => ({ ...plugin, run: async () => {}, refusal: () => null })),
    prompter: () => ({
      interactive: false,
      ask: () => Promise.reject(new Error('there is no terminal')),
      tell: (text) => stderr.write(text),
    }),
    local: async () => localhost,
    stdin: new PassThrough(),
    connect: () => new FakeTransport(),
    serveStatus: async () => ({ close: async () => {} }),
    resolve: async (input) => login(input),
    notify: async () => null,
    startInBackground: async () => 0,
    terminal: null,
    schemaFile: '/nonexistent/schema.json',
    facts: ['native crypto: yes'],
    ...over,
  };
}

/** One run of the command line in a world of its own. */
export class Run {
  readonly stdout: Written;
  readonly stderr: Written;
  readonly process = new EventEmitter();
  readonly inputs: SshInput[] = [];
  readonly notified: string[] = [];
  readonly status: Promise<number>;

  constructor(argv: string[], { tty = false, transport = new FakeTransport(), ...over }: Options = {}) {
    this.stdout = new Written(tty);
    this.stderr = new Written(tty);
    this.status = run(
      argv,
      environment({
        stdout: this.stdout,
        stderr: this.stderr,
        process: this.process,
        connect: () => transport,
        resolve: async (input) => {
          this.inputs.push(input);
          return login(input);
        },
        notify: async (state) => {
          this.notified.push(state);
          return null;
        },
        ...over,
      }),
    );
  }

  /** Settles when `pattern` stands in what was written to either stream. */
  async waitFor(pattern: RegExp): Promise<void> {
    for (let turn = 0; turn < 100; turn++) {
      if (pattern.test(this.stdout.text + this.stderr.text)) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`${pattern} did not come; stdout: ${this.stdout.text} stderr: ${this.stderr.text}`);
  }
}

interface Options extends Partial<Environment> {
  readonly tty?: boolean;
  readonly transport?: FakeTransport;
}

/** What ssh_config makes of a destination where it says nothing. */
export function login({ destination, flags }: SshInput, over: Partial<ResolvedSsh> = {}): ResolvedSsh {
  const options: Pick<SshOptions, 'host' | 'hostName' | 'user'> = {
    host: destination,
    hostName: destination,
    user: flags.user ?? 'you',
  };
  // Only these are read on the way to the transport, which is a fake.
  return {
    options: options as SshOptions,
    notes: [],
    forwards: { local: [], remote: [], dynamic: [] },
    gatewayPorts: false,
    socketFile: PRIVATE_SOCKET,
    permitRemoteOpen: 'any',
    ...over,
  };
}
