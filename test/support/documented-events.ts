import { LOG_EVENTS, type LogEvent } from '../../src/core/log-events.ts';

/** What every line may have. */
const COMMON = ['time', 'level', 'event', 'msg', 'session', 'forward', 'server'];

/** Returns what of a JSON log line is not documented: its event, its level or its fields. */
export function undocumented(line: Record<string, unknown>): string[] {
  const event = String(line.event);
  if (!isEvent(event)) return [`event ${event}`];
  const levels: readonly string[] = LOG_EVENTS[event].levels;
  const fields: readonly string[] = [...COMMON, ...LOG_EVENTS[event].fields];
  return [
    ...(levels.includes(String(line.level)) ? [] : [`${event} at ${line.level}`]),
    ...Object.keys(line).flatMap((name) => (fields.includes(name) ? [] : [`${event}: ${name}`])),
  ];
}

function isEvent(name: string): name is LogEvent {
  return Object.hasOwn(LOG_EVENTS, name);
}
