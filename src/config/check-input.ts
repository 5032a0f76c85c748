import { z } from 'zod';
import { didYouMean, nearest } from '../core/text/suggest.ts';
import { crossCheck, type Issue } from './cross-check.ts';
import { SECRET_KEY } from './excerpt.ts';
import { expectation, nodeAt, type SchemaNode, whatIs } from './expectation.ts';
import { type Config, type ConfigPlugins, configSchema, isSentence } from './schema.ts';

/** A Config, or all mistakes in the input. */
type Checked = { readonly config: Config } | { readonly issues: readonly Issue[] };

/**
 * Checks the content of a config file: each part by the schema, and the parts against each other.
 */
export function checkInput(input: unknown, plugins: ConfigPlugins): Checked {
  const checked = checkParts(input, plugins);
  const issues = [...crossCheck(input), ...emptyForwards(input)];
  if (issues.length === 0) return checked;
  return { issues: [...('issues' in checked ? checked.issues : []), ...issues] };
}

/** Checks each part by the schema. */
export function checkParts(input: unknown, plugins: ConfigPlugins): Checked {
  const schema = configSchema(plugins);
  const result = schema.safeParse(input);
  const aimless = withoutTarget(input, plugins);
  if (result.success && aimless.length === 0) return { config: result.data };
  const json = z.toJSONSchema(schema, { io: 'input' }) as SchemaNode;
  // The cross-check reports invalid names.
  const issues = (result.error?.issues ?? []).filter(({ code }) => code !== 'invalid_key');
  const found = issues.flatMap((issue) => toIssues(issue, input, json));
  found.push(...aimless.map((path) => missingKey([...path, 'to'], json)));
  return { issues: found.filter((issue) => !misspelt(issue, found)) };
}

/** Whether a missing key is only misspelt: then another mistake reports the spelling. */
function misspelt({ path, missing }: Found, all: readonly Found[]): boolean {
  if (missing === undefined) return false;
  return all.some(
    (other) => other.meant === missing && other.path.slice(0, -1).join('\0') === path.join('\0'),
  );
}

/** An issue, with the missing key, or the known key that was probably meant. */
interface Found extends Issue {
  readonly missing?: string;
  readonly meant?: string | null;
}

/** Returns the message of an issue, after the path that it is about. */
export function tell({ path, message }: Issue): string {
  const place = path.map((key, index) =>
    typeof key === 'number' ? `[${key}]` : index > 0 ? `.${key}` : key,
  );
  return place.length === 0 ? message : `${place.join('')}: ${message}`;
}

/**
 * Returns a schema's issue in words, with what the JSON Schema expects there; one issue per unknown
 * key.
 */
function toIssues(issue: z.core.$ZodIssue, input: unknown, json: SchemaNode): Found[] {
  const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(nodeAt(json, path)?.properties ?? {});
    return issue.keys.map((key) => ({ path: [...path, key], at: 'key', ...unknownKey(key, known) }));
  }
  if (path.length === 0) {
    const message = `expected servers and forwards, not ${whatIs(input)} (sshferry init writes both)`;
    return [{ path, message, at: 'value' }];
  }
  const node = nodeAt(json, path);
  const parent = valueAt(input, path.slice(0, -1));
  const key = path.at(-1);
  if (key !== undefined && typeof parent === 'object' && parent !== null && !(key in parent)) {
    return [missingKey(path, json)];
  }
  const value = valueAt(input, path);
  if (issue.code === 'custom' || issue.code === 'invalid_format') {
    const message = isSentence(issue) ? issue.message : `expected ${issue.message}, not ${whatIs(value)}`;
    return [{ path, message, at: 'value' }];
  }
  const text = typeof value !== 'string' && node?.type === 'string' && typeof value !== 'object';
  const quotes =
    text && node.enum === undefined && node.examples === undefined && value != null
      ? `; put it in quotes: '${value}'`
      : '';
  return [{ path, message: `expected ${expectation(node)}, not ${whatIs(value)}${quotes}`, at: 'value' }];
}

function missingKey(path: readonly (string | number)[], json: SchemaNode): Found {
  const missing = String(path.at(-1));
  const message = `${missing} is missing; expected ${expectation(nodeAt(json, path))}`;
  return { path: path.slice(0, -1), message, at: 'key', missing };
}

/** Returns the paths of forwards that have no target, though their type needs one. */
function withoutTarget(input: unknown, plugins: ConfigPlugins): string[][] {
  const forwards = valueAt(input, ['forwards']);
  if (typeof forwards !== 'object' || forwards === null || Array.isArray(forwards)) return [];
  const dynamic = plugins.filter(({ isDynamic }) => isDynamic).map(({ name }) => name);
  return Object.entries(forwards)
    .filter(([, forward]) => typeof forward === 'object' && forward !== null && !Array.isArray(forward))
    .filter(([, forward]) => forward.to === undefined && !dynamic.includes(forward.type))
    .map(([name]) => ['forwards', name]);
}

function unknownKey(key: string, known: readonly string[]): Pick<Found, 'message' | 'meant'> {
  if (SECRET_KEY.test(key)) {
    const message =
      'a config file must not contain secrets; remove this one: sshferry asks for it on the terminal, or log in with a key (identityFile)';
    return { message };
  }
  const [, glued, rest] = /^(\w+):(.+)$/.exec(key) ?? [];
  if (glued !== undefined && known.includes(glued)) {
    return { message: `missing space after the colon; write ${glued}: ${rest}`, meant: glued };
  }
  const message = `unknown key${didYouMean(key, known)}; expected one of ${known.join(', ')}`;
  return { message, meant: nearest(key, known) };
}

function emptyForwards(input: unknown): Issue[] {
  const forwards = valueAt(input, ['forwards']);
  if (typeof forwards !== 'object' || forwards === null || Object.keys(forwards).length > 0) return [];
  const message =
    'nothing to forward; add a forward, for example: files: { listen: 8021, server: NAME, to: localhost:21 }';
  return [{ path: ['forwards'], message, at: 'key' }];
}

function valueAt(input: unknown, path: readonly (string | number)[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}
