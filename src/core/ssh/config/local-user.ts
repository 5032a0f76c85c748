import os from 'node:os';

/** Who runs this and where their home is: from the password database, as ssh has it, not from HOME. */
export function localUser(): { name: string; home: string } {
  try {
    const { username, homedir } = os.userInfo();
    return { name: username, home: homedir };
  } catch {
    // A container's arbitrary uid has no entry.
    return { name: process.env.USER ?? String(process.getuid?.() ?? ''), home: os.homedir() };
  }
}
