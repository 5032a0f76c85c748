import { z } from 'zod';
import { type ConfigPlugins, configSchema } from './schema.ts';

/** The JSON Schema of sshferry.yaml, for editors, made of the one schema that sshferry itself checks a file with. */
export function jsonSchema(plugins: ConfigPlugins): object {
  const { $schema, ...rest } = z.toJSONSchema(configSchema(plugins), { io: 'input' });
  return {
    $schema,
    title: 'sshferry.yaml',
    description: 'Forwards that sshferry up carries through SSH. No secret belongs here.',
    ...rest,
  };
}
