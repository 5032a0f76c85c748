import { once } from 'node:events';
import net from 'node:net';
import { DemoError, PORTS, type Ports } from './options.ts';

/**
 * Checks that the ports are free. Throws a DemoError that names each port that is not, and the
 * option that chooses another.
 */
export async function checkPorts(ports: Ports): Promise<void> {
  const checked = await Promise.all(PORTS.map((service) => complaint(service, ports[service])));
  const complaints = checked.filter((line) => line !== null);
  if (complaints.length > 0) throw new DemoError(complaints.join('\n'));
}

async function complaint(service: keyof Ports, port: number): Promise<string | null> {
  const other = port < 1024 ? port + 8000 : port < 64_000 ? port + 1000 : port - 1000;
  const remedy = `choose another one: npm run demo -- --${service}-port ${other}`;
  switch (await bindError(port)) {
    case null:
      return null;
    case 'EADDRINUSE':
      return `port ${port}, for ${service.toUpperCase()}, is taken by another program; stop it or ${remedy}`;
    case 'EACCES':
      return `port ${port}, for ${service.toUpperCase()}, may not be used without root; ${remedy}`;
    default:
      return `port ${port}, for ${service.toUpperCase()}, cannot be listened on; ${remedy}`;
  }
}

async function bindError(port: number): Promise<string | null> {
  const server = net.createServer().listen({ port, host: '127.0.0.1', exclusive: true });
  try {
    await once(server, 'listening');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
  server.close();
  await once(server, 'close');
  return null;
}
