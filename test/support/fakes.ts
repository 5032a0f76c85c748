import { type Duplex, duplexPair } from 'node:stream';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { silentLogger } from '../../src/core/log.ts';
import { type Destination, tcpEndpoint } from '../../src/core/target.ts';
import type {
  Listening,
  ListenOptions,
  ManagedTransport,
  Peer,
  StartOptions,
  StreamOptions,
  Transport,
} from '../../src/core/transport.ts';
import { deferred } from './deferred.ts';

export { silentLogger as quietLog };

/** A client on this machine. */
export const localPeer: Peer = {
  remote: { host: '127.0.0.1', port: 40_000 },
  local: { host: '127.0.0.1', port: 8021 },
};

/** A listener that a FakeTransport was asked for. */
export interface FakeListener {
  readonly bind: Endpoint;
  readonly onStream: (stream: Duplex, peer: Peer) => void;
  readonly options: ListenOptions;
  closed: boolean;
  /** Lets `listen` settle. */
  grant(): void;
}

/** A network in which a test decides when a dial or a bind settles, and sees what is closed. */
export class FakeTransport implements Transport {
  readonly dials: {
    to: Endpoint;
    localAddress: string | undefined;
    answer: (stream: Duplex) => void;
    fail: (error: Error) => void;
  }[] = [];
  readonly listeners: FakeListener[] = [];

  openStream(to: Destination | Endpoint, { signal, localAddress }: StreamOptions = {}): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.dials.push({ to: tcpEndpoint(to), localAddress, answer: resolve, fail: reject });
    });
  }

  async listen(
    bind: Endpoint,
    onStream: (stream: Duplex, peer: Peer) => void,
    options: ListenOptions = {},
  ): Promise<Listening> {
    const granted = deferred<void>();
    const listener: FakeListener = { bind, onStream, options, closed: false, grant: () => granted.resolve() };
    this.listeners.push(listener);
    await granted.promise;
    return {
      endpoint: { host: bind.host, port: bind.port || 50_000 },
      close: async () => {
        listener.closed = true;
      },
    };
  }
}

/** One end of a connection, and the other, which ignores errors. */
export function connection(): { ours: Duplex; theirs: Duplex } {
  const [ours, theirs] = duplexPair();
  for (const end of [ours, theirs]) end.on('error', () => {});
  return { ours, theirs };
}

/** The same with a life that nothing interrupts; counts its starts and stops. */
export class FakeManagedTransport extends FakeTransport implements ManagedTransport {
  readonly state = 'ready';
  starts = 0;
  stops = 0;
  /** Of the last start. */
  keepTrying = false;
  /** Rejects `start`. */
  failure: Error | null = null;

  async start({ keepTrying = false }: StartOptions = {}): Promise<void> {
    this.starts += 1;
    this.keepTrying = keepTrying;
    if (this.failure) throw this.failure;
  }

  async stop(): Promise<void> {
    this.stops += 1;
  }

  onState(): void {}
}
