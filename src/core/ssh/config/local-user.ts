import os from 'node:os';

/**
 * Returns the user who runs this and their home: from the password database, as in ssh, not from
 * HOME.
 */
export function localUser(): { name: string; home: string } {
  try {
    const { username, homedir } = os.userInfo();
    return { name: username, home: homedir };
  } catch {
    // An arbitrary uid in a container has no entry.
    return { name: process.env.USER ?? String(process.getuid?.() ?? ''), home: os.homedir() };
  }
}
