import { play } from './play.ts';
import { fuzz } from './run.ts';

// npm run fuzz -- --dialogues 1000000 --seed 7: random dialogues with the rewriter.
fuzz(play, new URL('./corpus/', import.meta.url));
