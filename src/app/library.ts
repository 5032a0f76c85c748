import { checkInput, tell } from '../config/check-input.ts';
import type { ConfigInput } from '../config/schema.ts';
import { GatewayError } from '../core/errors.ts';
import type { Gateway } from '../core/gateway.ts';
import { localTransport } from '../core/local/local-transport.ts';
import { type Logger, silentLogger } from '../core/log.ts';
import { resolveSshOptions } from '../core/ssh/config/ssh-config.ts';
import type { Prompter } from '../core/ssh/options.ts';
import { sshTransport } from '../core/ssh/transport.ts';
import { compose, resolveLogins } from './compose.ts';
import { type AnyPlugin, PLUGINS } from './plugins.ts';

/** Replacements for the defaults of `createGateway`. */
export interface GatewayEnvironment {
  /** Protocols besides sshferry's own; a plugin of the same name replaces the built-in one. */
  readonly plugins?: readonly AnyPlugin[];
  /** A pino logger or similar. Default: no logging. */
  readonly log?: Logger;
  /**
   * Answers questions about unknown host keys, passphrases and passwords. Default: none, and a
   * login that needs an answer fails.
   */
  readonly prompter?: Prompter;
  /**
   * For ssh_config's tokens, the agent's socket and the files of certificate authorities; default:
   * `process.env`.
   */
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Returns a Gateway for a configuration in the form of sshferry.yaml, not yet started: `start` logs
 * in and listens, `stop` ends it. ssh_config and known_hosts apply as they do for the command.
 * Rejects with `CONFIG_*` and the place of each error.
 */
export async function createGateway(
  input: ConfigInput,
  { plugins = [], log = silentLogger, prompter = noPrompter, env = process.env }: GatewayEnvironment = {},
): Promise<Gateway> {
  const names = new Set(plugins.map(({ name }) => name));
  const all = [...plugins, ...PLUGINS.filter(({ name }) => !names.has(name))];
  const checked = checkInput(input, all);
  if ('issues' in checked) throw new GatewayError('CONFIG_INVALID', checked.issues.map(tell).join('; '));
  const { config } = checked;
  const logins = await resolveLogins(config, resolveSshOptions, env);
  return compose(config, logins, {
    plugins: all,
    local: await localTransport(config.localUsers, log),
    connect: (options, serverLog) => sshTransport(options, prompter, serverLog),
    log,
    env,
  }).gateway;
}

/** The prompter of a program that runs unattended: it cannot ask. */
const noPrompter: Prompter = {
  interactive: false,
  ask: () => Promise.reject(new Error('no person can be asked')),
  tell() {},
};
