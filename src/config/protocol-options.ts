import { type ZodType, z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { didYouMean, nearest } from '../core/text/suggest.ts';

/** The part of a ProtocolPlugin that is used here. */
export interface OptionOwner {
  readonly name: string;
  readonly schema: ZodType;
}

/**
 * One field of a protocol's configuration, and its name in `-o`: field `dataPorts` of `ftp` is
 * `FtpDataPorts`.
 */
export interface ProtocolOption {
  readonly key: string;
  readonly protocol: string;
  readonly field: string;
  readonly schema: ZodType;
}

/** Returns all options of these protocols, from their schemas. A mapping has no form in `-o`. */
export function protocolOptions(plugins: readonly OptionOwner[]): ProtocolOption[] {
  return plugins.flatMap(({ name, schema }) =>
    Object.entries(fieldsOf(schema))
      .filter(([, fieldSchema]) => !(unwrapped(fieldSchema) instanceof z.ZodRecord))
      .map(([field, fieldSchema]) => ({
        key: capitalized(name) + capitalized(field),
        protocol: name,
        field,
        schema: fieldSchema as ZodType,
      })),
  );
}

/**
 * Splits the argument of `-o` as ssh does: `Key=Value` or `Key Value`, without surrounding blanks
 * and without one pair of double quotes around the value. Throws `CONFIG_INVALID`.
 */
export function splitOption(text: string): [key: string, value: string] {
  const [, key, value] = /^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*?)\s*$/s.exec(text) ?? [];
  if (key === undefined || value === undefined || value === '') {
    throw new GatewayError('CONFIG_INVALID', `-o ${text}: expected Key=Value, such as -o ConnectTimeout=10`);
  }
  return [key, /^"(.*)"$/s.exec(value)?.[1] ?? value];
}

/**
 * Returns the protocol option with that key, ignoring case, or null for a key of ssh_config. Throws
 * `CONFIG_INVALID` with a suggestion for an unknown key that resembles a protocol option.
 */
export function findProtocolOption(key: string, options: readonly ProtocolOption[]): ProtocolOption | null {
  const found = options.find((option) => option.key.toLowerCase() === key.toLowerCase());
  if (found !== undefined) return found;
  const keys = options.map((option) => option.key);
  const prefixed = options.filter(({ protocol }) => key.toLowerCase().startsWith(protocol.toLowerCase()));
  if (prefixed.length === 0 && nearest(key, keys) === null) return null;
  const expected = (prefixed.length > 0 ? prefixed.map((option) => option.key) : keys).join(', ');
  throw new GatewayError('CONFIG_INVALID', `-o ${key}: unknown option${didYouMean(key, keys)}`, {
    hint: `expected one of ${expected}`,
  });
}

/**
 * Converts the value of an option to the type of its field: `yes` and `no` to a boolean, digits to
 * a number, otherwise text. Throws `CONFIG_INVALID` with the values that the field allows.
 */
export function readProtocolValue(option: ProtocolOption, value: string): unknown {
  for (const candidate of readings(value)) {
    if (option.schema.safeParse(candidate).success) return candidate;
  }
  const expected = expectation(option.schema, value);
  throw new GatewayError('CONFIG_INVALID', `-o ${option.key}=${value}: expected ${expected}`);
}

function* readings(value: string): Generator<unknown> {
  if (/^(yes|true)$/i.test(value)) yield true;
  if (/^(no|false)$/i.test(value)) yield false;
  if (/^\d+$/.test(value)) yield Number(value);
  yield value;
  yield value.toLowerCase();
}

/**
 * Describes the values that a field allows; if its schema does not show them, with the schema's own
 * message about `value`.
 */
function expectation(schema: ZodType, value: string): string {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodBoolean) return 'yes or no';
  if (inner instanceof z.ZodEnum) return `one of ${inner.options.join(', ')}`;
  if (inner instanceof z.ZodUnion) {
    return inner.options.map((option) => expectation(option as ZodType, value)).join(', or ');
  }
  if (inner instanceof z.ZodNumber) {
    const { minValue, maxValue } = inner;
    const bounded = minValue !== null && maxValue !== null && maxValue < Number.MAX_SAFE_INTEGER;
    return bounded ? `a number from ${minValue} to ${maxValue}` : 'a number';
  }
  const issues = schema.safeParse(value).error?.issues ?? [];
  return issues.map(({ message }) => message.replace(/^Invalid input: expected /, '')).join('; ');
}

function fieldsOf(schema: ZodType): Record<string, unknown> {
  const inner = unwrapped(schema);
  return inner instanceof z.ZodObject ? inner.shape : {};
}

/** Returns the schema inside `.optional()`, `.default()`, `.transform()` and the like. */
function unwrapped(schema: unknown): unknown {
  let inner = schema;
  for (;;) {
    if (inner instanceof z.ZodPipe) inner = inner.in;
    else if (
      inner instanceof z.ZodOptional ||
      inner instanceof z.ZodDefault ||
      inner instanceof z.ZodPrefault
    )
      inner = inner.unwrap();
    else return inner;
  }
}

/** `dataPorts` → `DataPorts`. */
export function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
