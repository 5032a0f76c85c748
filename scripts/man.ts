/** Writes sshferry(1) to the file named by the first argument. */
import { readFileSync, writeFileSync } from 'node:fs';
import { PLUGINS } from '../src/app/plugins.ts';
import { mainCommand } from '../src/cli/commands/main-command.ts';
import { SUBCOMMANDS } from '../src/cli/commands/subcommands.ts';
import { manPage } from '../src/cli/man-page.ts';
import { OWN_OPTIONS, optionOwners } from '../src/config/load.ts';
import { protocolOptions } from '../src/config/protocol-options.ts';

const { version }: { version: string } = JSON.parse(readFileSync('package.json', 'utf8'));
const page = manPage({
  version,
  date: process.env.SOURCE_DATE_EPOCH
    ? day(new Date(Number(process.env.SOURCE_DATE_EPOCH) * 1000))
    : day(new Date()),
  tunnel: mainCommand(version, SUBCOMMANDS),
  subcommands: SUBCOMMANDS.map((subcommand) => ({ name: subcommand.name, command: subcommand.define() })),
  options: [
    ...protocolOptions(optionOwners(PLUGINS)).map(({ key, schema }) => ({
      key,
      description: schema.description ?? '',
    })),
    ...Object.entries(OWN_OPTIONS).map(([key, description]) => ({
      key: key.charAt(0).toUpperCase() + key.slice(1),
      description,
    })),
  ],
});
writeFileSync(process.argv[2] ?? 'sshferry.1', page);

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
