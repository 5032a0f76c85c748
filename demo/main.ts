import { type Backstage, startBackstage } from './backstage.ts';
import { introduction } from './introduction.ts';
import { DemoError, PORTS, type Ports, parseOptions, SERVICES, USAGE } from './options.ts';
import { checkPorts } from './ports.ts';
import { Report } from './report.ts';
import { commandLine, startSshferry } from './sshferry.ts';

/**
 * Runs the demo until `signal` is aborted. Rejects with a DemoError if it cannot start or sshferry
 * ends by itself.
 */
async function run(ports: Ports, signal: AbortSignal, print: (text: string) => void): Promise<void> {
  await checkPorts(ports);
  const report = new Report(ports, print);
  const backstage = await startBackstage({
    onSent: (letter, number) => report.sent(letter, number),
    onRead: (number, bytes) => report.read(number, bytes),
  });
  try {
    const args = sshferryArguments(ports, backstage);
    const sshferry = await startSshferry(args, PORTS.length, (event) => report.event(event), signal);
    print(introduction(ports, commandLine(args, ' '.repeat(6))));
    const reason = await sshferry.ended;
    if (!signal.aborted) throw new DemoError(reason);
    print(`\nEnded. Through SSH went ${report.summary()}.`);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await backstage.close();
  }
}

function sshferryArguments(
  ports: Ports,
  { sshPort, identityFile, knownHostsFile, services }: Backstage,
): string[] {
  return [
    ...['-F', 'none', '-p', `${sshPort}`, '-i', identityFile],
    ...['-o', `UserKnownHostsFile=${knownHostsFile}`],
    ...SERVICES.flatMap((name) => ['-L', `${name}/127.0.0.1:${ports[name]}:127.0.0.1:${services[name]}`]),
    ...['-L', `127.0.0.1:${ports.folder}:sftp:`],
    ...['-v', '--log-format', 'json', 'demo@127.0.0.1'],
  ];
}

async function main(): Promise<number> {
  const interruption = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interruption.abort());
  // The reader of the output is gone, as with `| head`, so the demo ends.
  process.stdout.on('error', () => interruption.abort());
  try {
    const ports = parseOptions(process.argv.slice(2));
    if (ports === null) console.log(USAGE);
    else await run(ports, interruption.signal, (text) => process.stdout.write(`${text}\n`));
    return 0;
  } catch (error) {
    if (!(error instanceof DemoError)) throw error;
    for (const line of error.message.split('\n')) console.error(`sshferry demo: ${line}`);
    return 2;
  }
}

process.exitCode = await main();
