/** Writes what is generated from the code: the JSON Schema of the config file and the table of docs/logs.md. Tests fail when they are out of date. */
import { readFileSync, writeFileSync } from 'node:fs';
import { PLUGINS } from '../src/app/plugins.ts';
import { jsonSchema } from '../src/config/json-schema.ts';
import { configurationPage } from './configuration-page.ts';
import { withLogTable } from './log-table.ts';

/** Writes what is generated from the configuration's schema. Unit tests fail if one of the files is out of date. */
const write = (file: string, text: string) => writeFileSync(new URL(`../${file}`, import.meta.url), text);
write('schema/sshferry.schema.json', `${JSON.stringify(jsonSchema(PLUGINS), null, 2)}\n`);
write('docs/configuration.md', configurationPage());
write('docs/logs.md', withLogTable(readFileSync(new URL('../docs/logs.md', import.meta.url), 'utf8')));
