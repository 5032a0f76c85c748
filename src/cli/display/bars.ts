/** Returns a bar of `width` columns, filled up to `fraction`, which is clamped to 0 and 1. */
export function progressBar(fraction: number, width: number, { unicode }: { unicode: boolean }): string {
  const within = Math.min(1, Math.max(0, fraction));
  if (!unicode) {
    const full = Math.floor(within * (width - 2));
    return `[${'#'.repeat(full)}${'.'.repeat(width - 2 - full)}]`;
  }
  const full = Math.floor(within * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/** Returns one character per value, scaled to the highest value. */
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
