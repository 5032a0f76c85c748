import { noTls, quote, type Upgrade } from './dialogue.ts';

/**
 * STLS (RFC 2595 4). The greeting stays valid, with the stamp for APOP (RFC 1939 7).
 */
export const pop3Upgrade: Upgrade = {
  *before() {
    const greeting = yield null;
    if (!/^\+OK\b/i.test(greeting)) throw noTls(`the server refuses: ${quote(greeting)}`);
    const answer = yield 'STLS';
    if (!/^\+OK\b/i.test(answer)) throw noTls(`the server refuses STLS: ${quote(answer)}`);
    return [greeting];
  },
};
