import { SECURITY_FEATURES } from '../wire/security.ts';
import { factsFeature } from './facts.ts';
import type { CommandEntries, Handler } from './handler.ts';
import { multiline, type Reply, reply } from './replies.ts';
import type { ServerSession } from './session.ts';

/** Verbs in a line of HELP. */
const PER_LINE = 10;

/** Lists what goes beyond RFC 959, one feature a line (RFC 2389 3). */
const feat: Handler = ({ settings, policy, security }) => {
  const features = [
    ...['AVBL', 'EPRT', 'EPSV', 'HOST', 'MDTM', 'MFMT', factsFeature(settings.facts)],
    ...['RANG STREAM', 'REST STREAM', 'SIZE', 'TVFS', 'UTF8'],
  ];
  if (security !== null) features.push(...SECURITY_FEATURES);
  const hashes = policy.hashes.map((name) => `${name}${name === settings.hash ? '*' : ''}`);
  if (hashes.length > 0) features.push(`HASH ${hashes.join(';')}`);
  const lines = features.sort().map((feature) => ` ${feature}`);
  return multiline(211, 'Features:', lines, 'End');
};

/** Returns the handler of HELP for these commands. */
function help(commands: () => CommandEntries): Handler {
  return (_, argument): Reply => {
    const all = commands();
    const verb = argument.trim().toUpperCase();
    const entry = Object.hasOwn(all, verb) ? all[verb] : undefined;
    if (entry !== undefined) return reply(214, `Syntax: ${`${verb} ${entry.usage}`.trim()}`);
    if (verb !== '') return reply(504, 'Unknown command');
    const verbs = Object.keys(all).sort();
    const lines: string[] = [];
    for (let i = 0; i < verbs.length; i += PER_LINE) lines.push(` ${verbs.slice(i, i + PER_LINE).join(' ')}`);
    return multiline(214, 'Commands:', lines, 'End');
  };
}

/** Returns the reply to STAT without a name (RFC 959 4.1.3): the session and its transfer. */
export function statusReply({ settings, transfer, policy }: ServerSession): Reply {
  const lines = [
    ` Client ${policy.client}`,
    settings.access === null ? ' Not logged in' : ` Logged in as ${settings.user ?? ''}`,
    ` TYPE ${settings.type === 'image' ? 'I' : 'A'}, MODE S, STRU F`,
  ];
  if (transfer !== null) {
    const { verb, path, progress, direction } = transfer;
    const how = direction === 'download' ? 'sent' : 'received';
    lines.push(` ${verb} ${path}: ${progress.bytes} bytes ${how}`);
  }
  return multiline(211, 'Status:', lines, 'End');
}

/** Returns the commands about the server itself. HELP lists what `commands` returns. */
export function helpCommands(commands: () => CommandEntries): CommandEntries {
  return {
    FEAT: { run: feat, usage: '', beforeLogin: true },
    HELP: { run: help(commands), usage: '[command]', beforeLogin: true },
    NOOP: { run: () => reply(200, 'OK'), usage: '', beforeLogin: true },
    // The form of LIST and of names, not the system's name (RFC 943).
    SYST: { run: () => reply(215, 'UNIX Type: L8'), usage: '', beforeLogin: true },
  };
}
