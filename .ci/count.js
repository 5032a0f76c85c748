// Reads vitest's JSON report and prints `N passed, N failed`. A skipped test counts as failed: on a CI machine everything
// can run. Exits with 1 unless something passed and nothing failed.
import { readFileSync } from 'node:fs';

const text = readFileSync(process.argv[2], 'utf8');
const report = text === '' ? null : JSON.parse(text);
const passed = report?.numPassedTests ?? 0;
const unfinished = (report?.numTotalTests ?? 0) - passed;
const failed = Math.max(unfinished, report?.success === true ? 0 : 1);
if (passed === 0) console.log('no test has run');
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
