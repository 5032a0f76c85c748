import { z } from 'zod';
import { type ConfigPlugins, configSchema } from './schema.ts';

/**
 * Returns the JSON Schema of sshferry.yaml for editors, generated from the schema that sshferry
 * itself uses.
 */
export function jsonSchema(plugins: ConfigPlugins): object {
  const { $schema, ...rest } = z.toJSONSchema(configSchema(plugins), { io: 'input' });
  return {
    $schema,
    title: 'sshferry.yaml',
    description: 'Forwards through SSH for sshferry up. The file must not contain secrets.',
    ...rest,
  };
}
