/**
 * How long a client that has all data of a download may take to close its data connection before
 * the download counts as over in spite of it, in milliseconds.
 *
 * Its program closes as soon as it has read all, and by then it has read the reply that begins the
 * transfer. The one that ends it must not come before: aria2 and snarf wait for ever, or for their
 * time-out, if they read both at once. On a server's own connection the data lies between them;
 * here, both replies can come in one packet.
 */
export const READING_TIME = 100;
