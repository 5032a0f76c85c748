import type { ProtocolPlugin } from '../core/plugin.ts';
import { ftp } from '../ftp/plugin.ts';
import { imap } from '../protocols/imap.ts';
import { pop3 } from '../protocols/pop3.ts';
import { smtp } from '../protocols/smtp.ts';
import { socks } from '../protocols/socks/socks.ts';
import { tcp } from '../protocols/tcp.ts';

/** A plugin of any configuration type; only its own schema makes values of that type. */
// biome-ignore lint/suspicious/noExplicitAny: a list of plugins holds configurations of different types
export type AnyPlugin = ProtocolPlugin<any>;

/** The built-in protocols. */
export const PLUGINS: readonly AnyPlugin[] = [ftp, pop3, smtp, imap, tcp, socks];

/** Returns the plugin of that name, or undefined. */
export function pluginNamed(name: string): AnyPlugin | undefined {
  return PLUGINS.find((plugin) => plugin.name === name);
}
