/**
 * Loaded into a sshferry under test by `node --expose-gc --import`: at SIGUSR2 it collects garbage and writes, as a line of the
 * JSON log, what the process holds. Memory is in bytes.
 */
process.on('SIGUSR2', async () => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    // Finalizers free more.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  const resources = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const line = { time: new Date().toISOString(), event: 'probe', rss, live: heapUsed + external, resources };
  process.stderr.write(`${JSON.stringify(line)}\n`);
});
