import { formatEndpoint } from '../core/endpoint.ts';
import { GatewayError } from '../core/errors.ts';
import type { LoginProgress, OnProgress } from '../core/ssh/connection/progress.ts';
import type { SshOptions } from '../core/ssh/options.ts';
import { formatAbout, type ManagedTransport } from '../core/transport.ts';
import type { Steps } from './steps.ts';

/**
 * Logs in step by step, over the jump hosts if there are any. Returns the transport, which the
 * caller stops. Returns null if the login failed; the transport is then already stopped.
 */
export async function checkLogin(
  options: SshOptions,
  connect: (progress: OnProgress) => ManagedTransport,
  steps: Steps,
): Promise<ManagedTransport | null> {
  const recorder = new LoginRecorder(options, steps);
  const transport = connect((progress) => recorder.add(progress));
  try {
    await transport.start();
    return transport;
  } catch (error) {
    steps.failed(recorder.failedStep(error), error);
    await transport.stop();
    return null;
  }
}

/** Turns the progress of a login into steps. */
class LoginRecorder {
  readonly #options: SshOptions;
  readonly #steps: Steps;
  /** The last stage that the current host's login reported. */
  #stage: LoginProgress['stage'] | null = null;

  constructor(options: SshOptions, steps: Steps) {
    this.#options = options;
    this.#steps = steps;
  }

  add(progress: LoginProgress): void {
    // Lines about a jump host begin with its name.
    const by = progress.host === this.#options.host ? '' : `${progress.host}: `;
    switch (progress.stage) {
      case 'resolved':
        this.#steps.ok('resolve', `${by}${progress.addresses.join(', ')}`);
        break;
      case 'connected':
        if (progress.address === null) return;
        this.#steps.ok(
          'connect',
          by + formatEndpoint({ host: progress.address, port: this.#portOf(progress.host) }),
        );
        break;
      case 'verified': {
        const { keyType, fingerprint, software } = progress;
        this.#steps.ok(
          'host-key',
          `${by}${keyType} ${fingerprint}${software === null ? '' : `, ${software}`}`,
        );
        break;
      }
      case 'ready':
        this.#steps.ok('login', `${by}with ${progress.by}, by ${formatAbout(progress.about)}`);
        break;
    }
    this.#stage = progress.stage === 'ready' ? null : progress.stage;
  }

  /** Returns the step at which a login failed. */
  failedStep(error: unknown): 'resolve' | 'connect' | 'host-key' | 'login' {
    if (error instanceof GatewayError) {
      if (error.code === 'SSH_HOST_KEY' || error.code === 'SSH_UNSUPPORTED') return 'host-key';
      if (error.code === 'SSH_AUTH') return 'login';
    }
    if (this.#stage === null) return isUnknownName(error) ? 'resolve' : 'connect';
    if (this.#stage === 'resolved') return 'connect';
    return this.#stage === 'connected' ? 'host-key' : 'login';
  }

  #portOf(host: string): number {
    const hops = [...(this.#options.jumpHosts ?? []), this.#options];
    return hops.find((hop) => hop.host === host)?.port ?? this.#options.port;
  }
}

function isUnknownName(error: unknown): boolean {
  const cause = error instanceof GatewayError ? error.cause : undefined;
  return (
    cause instanceof Error && 'code' in cause && (cause.code === 'ENOTFOUND' || cause.code === 'EAI_AGAIN')
  );
}
