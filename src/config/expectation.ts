/** The parts of a JSON Schema node that are used here. */
export interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode | boolean;
  readonly anyOf?: readonly SchemaNode[];
  readonly examples?: readonly unknown[];
}

/** Returns the node that describes the value at `path`, or undefined if the schema has none. */
export function nodeAt(root: SchemaNode, path: readonly PropertyKey[]): SchemaNode | undefined {
  let node: SchemaNode | undefined = root;
  for (const key of path) node = node && step(node, key);
  return node;
}

function step(node: SchemaNode, key: PropertyKey): SchemaNode | undefined {
  const next =
    typeof key === 'number' ? node.items : (node.properties?.[String(key)] ?? node.additionalProperties);
  if (typeof next === 'object') return next;
  for (const option of node.anyOf ?? []) {
    const found = step(option, key);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Describes the values that a node allows: `a number from 1 to 65535`, `one of ftp, tcp`, `text,
 * such as localhost:21`.
 */
export function expectation(node: SchemaNode | undefined): string {
  if (node === undefined) return 'something else';
  const example = node.examples?.[0];
  return `${kind(node)}${example === undefined ? '' : `, such as ${inYaml(example)}`}`;
}

/** Returns the values of an enum, without the numbers that it also has as text: 1.2 beside '1.2'. */
export function distinct(values: readonly unknown[]): readonly unknown[] {
  const numbers = values.filter((value) => typeof value === 'string').map(Number);
  return values.filter((value) => typeof value !== 'number' || !numbers.includes(value));
}

function kind(node: SchemaNode): string {
  if (node.anyOf) return [...new Set(node.anyOf.map(kind))].join(' or ');
  if (node.enum) {
    const values = distinct(node.enum);
    return values.length === 1 ? String(values[0]) : `one of ${values.join(', ')}`;
  }
  const types = [node.type ?? []].flat();
  return [...new Set(types.map((type) => ofType(type, node)))].join(' or ') || 'something else';
}

function ofType(type: string, { minimum, maximum, required = [] }: SchemaNode): string {
  switch (type) {
    case 'boolean':
      return 'true or false';
    case 'number':
    case 'integer':
      return minimum !== undefined && maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER
        ? `a number from ${minimum} to ${maximum}`
        : 'a number';
    case 'string':
      return 'text';
    case 'array':
      return 'a list';
    default:
      return `keys with values${required.length > 0 ? `, at least ${required.join(', ')}` : ''}`;
  }
}

/** Describes a value, for "expected …, not …". */
export function whatIs(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'keys with values';
  if (typeof value === 'string') return value === '' ? 'an empty text' : `'${shortened(value)}'`;
  return `the ${typeof value === 'boolean' ? 'value' : 'number'} ${value}`;
}

function inYaml(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(inYaml).join(', ')}]`;
  const pairs = Object.entries(value).map(([key, inner]) => `${key}: ${inYaml(inner)}`);
  return `{ ${pairs.join(', ')} }`;
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
