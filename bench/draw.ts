import type { Result } from './results.ts';
export function draw(results: readonly Result[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg"><title>${results.length}</title></svg>\n`;
}
