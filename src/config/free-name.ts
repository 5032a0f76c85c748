/** Returns a name that `taken` does not have as a key: `name`, or with the first free number after it. */
export function freeName(taken: object, name: string): string {
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? name : `${name}-${n}`;
    if (!Object.hasOwn(taken, candidate)) return candidate;
  }
}
