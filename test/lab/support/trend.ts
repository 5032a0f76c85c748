/**
 * By how much the values grow from each to the next: the median of the slopes between all pairs
 * (Theil-Sen), which a single outlier does not bend. 0 for fewer than two.
 */
export function slope(values: readonly number[]): number {
  const slopes = values.flatMap((value, i) =>
    values.slice(i + 1).map((later, distance) => (later - value) / (distance + 1)),
  );
  return slopes.length === 0 ? 0 : median(slopes);
}

/** The middle of a list that is not empty. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[sorted.length >> 1];
  if (middle === undefined) throw new Error('an empty list has no median');
  return middle;
}
