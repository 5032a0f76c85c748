/** A bar of `width` columns that is full at `fraction` 1; below 0 and above 1 it is as at those. */
export function progressBar(fraction: number, width: number, { unicode }: { unicode: boolean }): string {
  const within = Math.min(1, Math.max(0, fraction));
  if (!unicode) {
    const full = Math.floor(within * (width - 2));
    return `[${'#'.repeat(full)}${'.'.repeat(width - 2 - full)}]`;
  }
  const full = Math.floor(within * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/** One character for each value, as high as it is against the highest of them. */
export function sparkline(values: readonly number[], { unicode }: { unicode: boolean }): string {
  const steps = unicode ? '▁▂▃▄▅▆▇█' : '_.:-=+*#';
  const highest = Math.max(...values, 0);
  return values
    .map((value) => {
      const step = highest === 0 ? 0 : Math.round((Math.max(0, value) / highest) * (steps.length - 1));
      return steps[step];
    })
    .join('');
}
