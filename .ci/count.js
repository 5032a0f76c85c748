// Reads vitest's JSON report, lists the slowest test files and prints `N passed, N failed`. A skipped test counts as failed: on a CI machine everything
// can run. Exits with 1 unless something passed and nothing failed.
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** How many of the slowest files are listed. */
const SLOWEST = 20;

const text = readFileSync(process.argv[2], 'utf8');
const report = text === '' ? null : JSON.parse(text);
const passed = report?.numPassedTests ?? 0;
const unfinished = (report?.numTotalTests ?? 0) - passed;
const failed = Math.max(unfinished, report?.success === true ? 0 : 1);
if (passed === 0) console.log('no test has run');
const files = (report?.testResults ?? [])
  .map(({ name, startTime, endTime }) => ({
    name: path.relative(process.cwd(), name),
    ms: endTime - startTime,
  }))
  .sort((a, b) => b.ms - a.ms)
  .slice(0, SLOWEST);
console.log('The slowest files, in seconds:');
for (const { name, ms } of files) console.log(`${(ms / 1000).toFixed(1).padStart(7)}  ${name}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
