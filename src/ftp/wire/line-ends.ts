const [CR, LF] = [0x0d, 0x0a];

/**
 * Returns how many bytes the first `most` line ends take, or all if there are fewer. A lone CR
 * counts as a line end.
 */
export function lengthOfLines(bytes: Uint8Array, most: number): number {
  let ends = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== LF && bytes[i] !== CR) continue;
    ends += 1;
    if (ends === most) return i + 1;
  }
  return bytes.length;
}
