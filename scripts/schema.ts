import { writeFileSync } from 'node:fs';
import { PLUGINS } from '../src/app/plugins.ts';
import { jsonSchema } from '../src/config/json-schema.ts';

/** Writes the JSON Schema of the config file; a test tells when it is out of date. */
const file = new URL('../schema/sshferry.schema.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(jsonSchema(PLUGINS), null, 2)}\n`);
