// Writes the files that are generated from the code. Unit tests fail if one is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import { PLUGINS } from '../src/app/plugins.ts';
import { jsonSchema } from '../src/config/json-schema.ts';
import { configurationPage } from './configuration-page.ts';
import { withLogTable } from './log-table.ts';

const write = (file: string, text: string) => writeFileSync(new URL(`../${file}`, import.meta.url), text);
write('schema/sshferry.schema.json', `${JSON.stringify(jsonSchema(PLUGINS), null, 2)}\n`);
write('docs/configuration.md', configurationPage());
write('docs/logs.md', withLogTable(readFileSync(new URL('../docs/logs.md', import.meta.url), 'utf8')));
