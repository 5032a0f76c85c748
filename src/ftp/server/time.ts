/** The last millisecond that four digits of a year can name. */
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** Returns the nearest time that FTP can write: from 1970 up to the year 9999. */
export function writableTime(time: number): number {
  return Math.min(LATEST, Math.max(0, Math.trunc(time) || 0));
}

/** Returns a time (milliseconds since 1970) as RFC 3659 2.3 writes it, in UTC: `YYYYMMDDHHMMSS`. */
export function formatTime(time: number): string {
  return new Date(writableTime(time)).toISOString().replace(/[-:T]/g, '').slice(0, 14);
}

/**
 * Returns the milliseconds since 1970 that `YYYYMMDDHHMMSS` stands for, with or without a fraction;
 * null if it is not a time.
 */
export function parseTime(text: string): number | null {
  const [, year, month, day, hour, minute, second, fraction = ''] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+)?$/.exec(text) ?? [];
  if (year === undefined) return null;
  // RFC 3659 2.3 allows a leap second, which POSIX time does not have.
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second === '60' ? '59' : second}Z`);
  if (Number.isNaN(time) || !formatTime(time).startsWith(`${year}${month}${day}`)) return null;
  return time + Math.trunc(Number(`0${fraction}`) * 1000);
}
