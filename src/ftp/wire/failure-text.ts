/**
 * Words that lftp takes for something else than the failure that the code says: with 426, the first
 * for a success; with 450 to LIST, the second for an empty folder (its Ftp::TransferCheck). An error
 * of the system, ssh or an SFTP server, or the name of a file, can contain them.
 */
const MISTAKABLE: readonly (readonly [RegExp, string])[] = [
  [/broken pipe/gi, 'broken connection'],
  [/no files found/gi, 'no such files'],
];

/** Returns the text of a reply without words that make a client take a failure for a success. */
export function unmistakable(code: number, text: string): string {
  if (code < 400) return text;
  return MISTAKABLE.reduce((words, [mistakable, plain]) => words.replace(mistakable, plain), text);
}
