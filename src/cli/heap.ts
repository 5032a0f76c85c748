import v8 from 'node:v8';

/** By how much V8's heap may grow over what is in use, in percent, before the old generation is collected. */
const GROWTH = 1000;

/**
 * Has V8 collect its old generation less often; to be called before the work begins, in a process of one's own.
 *
 * What a socket reads is memory outside V8's heap that counts as if it were in it. The heap in use is about 15 MB, by V8's own rule
 * it may grow by 25 MB or so, and the reads between two collections of the young generation, which free it, come to 30 to
 * 50 MB: so V8 marked the whole heap 25 to 40 times for each GB, as much CPU time as a download takes without that, and in pauses that
 * other sessions notice. With this it is hardly once in 5 GB. A larger new space alone (--min-semi-space-size) only puts the
 * trouble off until the first collection, which an idle minute brings.
 */
export function letHeapGrow(): void {
  v8.setFlagsFromString(`--heap-growing-percent=${GROWTH}`);
}
