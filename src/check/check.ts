import type { ForwardSpec } from '../core/forward.ts';
import type { OnProgress } from '../core/ssh/connection/progress.ts';
import type { Prompter, SshOptions } from '../core/ssh/options.ts';
import type { ManagedTransport } from '../core/transport.ts';
import { checkForward, type ForwardDeps } from './forward.ts';
import type { Findings, ForwardReport, ServerReport, Step } from './report.ts';
import { checkLogin } from './server.ts';
import { Steps, Stopwatch } from './steps.ts';

/** The servers and forwards to check. */
export interface CheckPlan {
  /** Keyed by the server's name. The check logs in to each, even if no forward needs it. */
  readonly servers: ReadonlyMap<string, SshOptions>;
  readonly forwards: readonly ForwardSpec[];
}

/** The dependencies of a check. */
export interface CheckDeps extends Omit<ForwardDeps, 'accounts'> {
  /** Returns the transport of one login, which reports how far it is to `progress`. */
  connect(server: string, options: SshOptions, prompter: Prompter, progress: OnProgress): ManagedTransport;
  readonly prompter: Prompter;
  /** The requested user of the targets; null takes the user of the .netrc. */
  readonly targetUser: string | null;
  /** Path of the .netrc. */
  readonly netrc: string;
}

/** Follows a check as it runs. */
export interface CheckListener {
  server(report: Omit<ServerReport, 'works' | 'steps'>): void;
  forward(report: Omit<ForwardReport, 'works' | 'steps'>): void;
  step(step: Step): void;
}

/**
 * Tries every server and then each of its forwards, one after the other. After a failure, it still
 * tries what does not depend on it. It serves on ports of its own choice only, and binds those of
 * the forwards just to see whether they are free. Rejects with the signal's reason once that
 * aborts. Leaves nothing open.
 */
export async function check(plan: CheckPlan, deps: CheckDeps, listener: CheckListener): Promise<Findings> {
  const clock = new Stopwatch();
  const prompter = clock.watch(deps.prompter);
  const accounts = { user: deps.targetUser, netrc: deps.netrc, prompter };
  const servers: ServerReport[] = [];
  const forwards: ForwardReport[] = [];
  const newSteps = () =>
    new Steps(clock, (step) => {
      // A failure caused by the abort is not a finding.
      if (!deps.signal.aborted) listener.step(step);
    });

  for (const [name, options] of plan.servers) {
    deps.signal.throwIfAborted();
    const { host, hostName, port, user } = options;
    const server = { name, host, hostName, port, user };
    listener.server(server);
    const steps = newSteps();
    let transport: ManagedTransport | null = null;
    const stop = () => transport?.stop();
    const connect = (progress: OnProgress) => {
      transport = deps.connect(name, options, prompter, progress);
      deps.signal.addEventListener('abort', stop, { once: true });
      return transport;
    };
    try {
      const ssh = await checkLogin(options, connect, steps);
      servers.push({ ...server, works: steps.works, steps: steps.done });
      for (const spec of plan.forwards.filter((forward) => forward.server === name)) {
        deps.signal.throwIfAborted();
        const forward = describe(spec);
        listener.forward(forward);
        const its = newSteps();
        await checkForward(spec, options, ssh, its, { ...deps, accounts });
        forwards.push({ ...forward, works: ssh !== null && its.works, steps: its.done });
      }
    } finally {
      deps.signal.removeEventListener('abort', stop);
      await stop();
    }
  }
  deps.signal.throwIfAborted();
  return { works: [...servers, ...forwards].every(({ works }) => works), servers, forwards };
}

function describe({ name, server, plugin, direction, bind, target }: ForwardSpec) {
  return { name, server, type: plugin.name, direction, listen: bind, target };
}
