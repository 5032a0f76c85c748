import { Listing, type ListingStyle } from '../listing.ts';
import type { DirectoryEntry, DirectorySource } from '../store.ts';

/**
 * Entries that are kept to be sorted. The rest of a larger directory follows in the store's order.
 */
const SORTED = 10_000;

/** Returns a function that returns a list piece by piece, null after the last. */
export function listingReader(
  read: () => Promise<readonly DirectoryEntry[] | null>,
  style: ListingStyle,
): () => Promise<Uint8Array | null> {
  const listing = new Listing(style);
  let kept: DirectoryEntry[] | null = [];
  return async () => {
    while (kept !== null) {
      const entries = await read();
      for (const entry of entries ?? []) if (listing.lists(entry.name)) kept.push(entry);
      if (entries !== null && kept.length < SORTED) continue;
      if (entries === null) kept.sort(byName);
      const bytes = listing.bytes(kept);
      kept = null;
      return bytes;
    }
    const entries = await read();
    return entries === null ? null : listing.bytes(entries);
  };
}

/** Returns all entries in order; null if there are more than `most`. */
export async function collect(source: DirectorySource, most: number): Promise<DirectoryEntry[] | null> {
  const all: DirectoryEntry[] = [];
  for (let entries = await source.read(); entries !== null; entries = await source.read()) {
    for (const entry of entries) all.push(entry);
    if (all.length > most) return null;
  }
  return all.sort(byName);
}

/** Compares bytes, as `ls` does in the C locale. */
function byName(a: DirectoryEntry, b: DirectoryEntry): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
