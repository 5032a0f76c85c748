import v8 from 'node:v8';
import vm from 'node:vm';

/** Returns this process's memory in bytes, after it has collected its garbage. */
export function memoryInUse(): { heap: number; resident: number } {
  v8.setFlagsFromString('--expose-gc');
  const collect: () => void = vm.runInNewContext('gc');
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}
