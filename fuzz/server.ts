import { fuzz } from './run.ts';
import { play } from './server/dialogue.ts';

// npm run fuzz:server -- --dialogues 1000000 --seed 7: random dialogues with the FTP server.
fuzz(play, new URL('./server-corpus/', import.meta.url));
