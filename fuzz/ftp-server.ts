import { play } from './ftp-server/dialogue.ts';
import { fuzz } from './run.ts';

// npm run fuzz:server -- --dialogues 1000000 --seed 7: random dialogues with the FTP server.
fuzz(play, new URL('./ftp-server-corpus/', import.meta.url));
