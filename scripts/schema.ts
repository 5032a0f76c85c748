/** Writes what is generated from the code: the JSON Schema of the config file and the table of docs/logs.md. Tests fail when they are out of date. */
import { readFileSync, writeFileSync } from 'node:fs';
import { PLUGINS } from '../src/app/plugins.ts';
import { jsonSchema } from '../src/config/json-schema.ts';
import { withLogTable } from './log-table.ts';

const schema = new URL('../schema/sshferry.schema.json', import.meta.url);
writeFileSync(schema, `${JSON.stringify(jsonSchema(PLUGINS), null, 2)}\n`);

const logs = new URL('../docs/logs.md', import.meta.url);
writeFileSync(logs, withLogTable(readFileSync(logs, 'utf8')));
