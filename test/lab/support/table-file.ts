import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Writes the date and the table into a document, between the comments `<!-- NAME -->` and `<!-- end
 * of NAME -->`. Throws if the document has no such place.
 */
export function replaceTable(path: string, name: string, table: string): void {
  const marked = new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*(<!-- end of ${name} -->)`);
  const document = readFileSync(path, 'utf8');
  if (!marked.test(document)) throw new Error(`${path} has no comment <!-- ${name} -->`);
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(path, document.replace(marked, `$1\nTested on ${date}.\n\n${table}\n$2`));
}
