import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml';
import { escapeControls } from '../core/text/control-characters.ts';
import { checkInput, tell } from './check-input.ts';
import type { Issue } from './cross-check.ts';
import { excerpt } from './excerpt.ts';
import type { Config, ConfigPlugins } from './schema.ts';

/** One mistake in the text of a config file. Line and column are counted from 1. */
export interface Mistake {
  readonly line: number;
  readonly column: number;
  /** One line: what is wrong and how to fix it. */
  readonly message: string;
}

/**
 * The configuration in the text of a config file, or all mistakes in it, in the order of the lines.
 */
export type Reading =
  | { readonly config: Config; readonly input: unknown }
  | { readonly mistakes: readonly Mistake[] };

/** Parses and checks the text of a config file. No I/O. */
export function readConfigText(text: string, plugins: ConfigPlugins): Reading {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number, message: string): Mistake => {
    const { line, col } = lines.linePos(Math.min(offset, text.trimEnd().length));
    return { line, column: Math.max(col, 1), message };
  };
  const syntax = syntaxMistakes(document, at);
  // If the text is not YAML, only the place of the first syntax error is known.
  if (syntax.fatal !== null) return { mistakes: [...syntax.duplicates, syntax.fatal] };
  const input = toValue(document);
  if (input === TOO_MANY_ALIASES) return { mistakes: [at(0, TOO_MANY_ALIASES)] };
  if (input === null || input === undefined) {
    return {
      mistakes: [at(0, 'the file is empty; it needs servers and forwards (sshferry init writes both)')],
    };
  }
  const checked = checkInput(input, plugins);
  if ('config' in checked && syntax.duplicates.length === 0) return { config: checked.config, input };
  const issues = 'issues' in checked ? checked.issues : [];
  const mistakes = [
    ...syntax.duplicates,
    ...issues.map((issue) => at(offsetOf(document, issue), tell(issue))),
  ];
  return { mistakes: mistakes.sort((a, b) => a.line - b.line || a.column - b.column) };
}

const TOO_MANY_ALIASES = 'aliases (*name) expand to too much; write the values themselves';

/** Returns the value of a document, or TOO_MANY_ALIASES if its aliases multiply. */
function toValue(document: Document.Parsed): unknown {
  try {
    return document.toJS();
  } catch (error) {
    if (error instanceof ReferenceError) return TOO_MANY_ALIASES;
    throw error;
  }
}

/** Returns all mistakes for people: for each, `file:line:column: message` and the line itself. */
export function formatMistakes(file: string, text: string, mistakes: readonly Mistake[]): string {
  return mistakes
    .map(
      (mistake) =>
        `${file}:${mistake.line}:${mistake.column}: ${escapeControls(mistake.message)}\n${excerpt(text, mistake)}`,
    )
    .join('\n');
}

type At = (offset: number, message: string) => Mistake;

/** Messages for the most frequent mistakes. Others keep the parser's message. */
const SYNTAX: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'YAML does not allow tabs for indentation; use spaces',
  MULTIPLE_DOCS: 'a second YAML document begins here; the file must be a single one',
  MULTILINE_IMPLICIT_KEY: "not a key with a value; write 'key: value', with a space after the colon",
  BLOCK_AS_IMPLICIT_KEY:
    "a second ':' in this value, or the next line is indented too far; write one 'key: value' per line, and quote text that contains ': '",
  BAD_ALIAS: 'unknown anchor; define it before with &, or put the text in quotes',
};

function syntaxMistakes(document: Document.Parsed, at: At): { fatal: Mistake | null; duplicates: Mistake[] } {
  const duplicates: Mistake[] = [];
  for (const { code, message, pos } of document.errors) {
    if (code === 'DUPLICATE_KEY') {
      duplicates.push(at(pos[0], 'duplicate key; use each key once'));
      continue;
    }
    return {
      fatal: at(pos[0], SYNTAX[code] ?? `${lowered(message)}; check brackets, quotes and indentation`),
      duplicates,
    };
  }
  let fatal: Mistake | null = null;
  visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) !== undefined) return;
      fatal ??= at(alias.range?.[0] ?? 0, SYNTAX.BAD_ALIAS ?? '');
    },
  });
  return { fatal, duplicates };
}

/**
 * Returns the offset of the issue's key or value; if that is missing, the offset of the nearest
 * enclosing node.
 */
function offsetOf(document: Document.Parsed, { path, at }: Issue): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, key] of path.entries()) {
    const last = index === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) return offset;
      const keyStart = startOf(pair.key) ?? offset;
      node = pair.value;
      const nothing = !isScalar(node) ? node === null : node.value === null;
      offset = (last && at === 'key') || !last || nothing ? keyStart : (startOf(node) ?? keyStart);
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = startOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function lowered(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
