/** Removes the entries of a map or set that were added first, until it has at most `most`. */
export function forgetOldest(kept: Map<unknown, unknown> | Set<unknown>, most: number): void {
  for (const oldest of kept.keys()) {
    if (kept.size <= most) return;
    kept.delete(oldest);
  }
}
