/** Returns how a process ended, for people, such as `exit status 255` or `ended by SIGKILL`. */
export function processEnd(status: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exit status ${status}` : `ended by ${signal}`;
}
