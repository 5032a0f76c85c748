import { writeFileSync } from 'node:fs';
import { PLUGINS } from '../src/app/plugins.ts';
import { jsonSchema } from '../src/config/json-schema.ts';
import { configurationPage } from './configuration-page.ts';

/** Writes what is generated from the configuration's schema. Unit tests fail if one of the files is out of date. */
const write = (file: string, text: string) => writeFileSync(new URL(`../${file}`, import.meta.url), text);
write('schema/sshferry.schema.json', `${JSON.stringify(jsonSchema(PLUGINS), null, 2)}\n`);
write('docs/configuration.md', configurationPage());
