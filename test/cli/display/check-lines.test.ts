import { describe, expect, it } from 'vitest';
import type { Findings, ForwardReport, ServerReport, Step } from '../../../src/check/report.ts';
import { forwardHeading, serverHeading, stepLines, verdict } from '../../../src/cli/display/check-lines.ts';
import type { TerminalStyle } from '../../../src/cli/display/terminal-style.ts';

const STYLE: TerminalStyle = { unicode: true, color: false, width: 80 };
const ASCII: TerminalStyle = { ...STYLE, unicode: false };
const step = (over: Partial<Step>): Step => ({
  name: 'login',
  outcome: 'ok',
  ms: 12,
  text: 'with a key',
  ...over,
});

describe('stepLines', () => {
  it('returns mark, title, text and time', () => {
    expect(stepLines(step({}), STYLE)).toEqual(['  ✓ SSH login   with a key (12 ms)']);
    expect(stepLines(step({ ms: 2345 }), STYLE)).toEqual(['  ✓ SSH login   with a key (2.3 s)']);
    expect(stepLines(step({ outcome: 'skipped' }), STYLE)).toEqual(['  – SSH login   with a key']);
  });

  it('wraps long text at spaces, and indents the rest', () => {
    const text = 'one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen';
    const lines = stepLines(step({ outcome: 'failed', text }), { ...STYLE, width: 40 });
    expect(lines[0]).toBe('  ✗ SSH login   one two three four five');
    for (const line of lines.slice(1)) expect(line).toMatch(/^ {16}\S/);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(40);
    expect(lines.map((line) => line.slice(16)).join(' ')).toBe(`${text} (12 ms)`);
  });

  it('does not split the time', () => {
    const text = 'one two three four five';
    for (let width = 36; width < 50; width++) {
      const lines = stepLines(step({ text }), { ...STYLE, width });
      expect(lines.filter((line) => line.includes('(12 ms)'))).toHaveLength(1);
    }
  });

  it('keeps to ASCII even if a server does not', () => {
    const lines = stepLines(step({ outcome: 'failed', text: 'it says "é"' }), ASCII);
    expect(lines).toEqual(['  FAIL SSH login   it says "?" (12 ms)']);
  });

  it('colours only the mark', () => {
    expect(stepLines(step({}), { ...STYLE, color: true })).toEqual([
      '  \x1b[32m✓\x1b[39m SSH login   with a key (12 ms)',
    ]);
  });
});

const server: ServerReport = {
  name: 'office',
  host: 'office.example.com',
  hostName: '192.0.2.1',
  port: 22,
  user: 'kagami',
  works: true,
  steps: [],
};
const forward: ForwardReport = {
  name: 'files',
  server: 'office',
  type: 'ftp',
  direction: 'local',
  listen: { host: 'localhost', port: 8021 },
  target: { host: '::1', port: 21 },
  works: true,
  steps: [],
};

describe('headings', () => {
  it('name a server by its name in the file and by its login', () => {
    expect(serverHeading(server)).toBe('office: kagami@office.example.com, port 22');
    expect(serverHeading({ ...server, name: 'kagami@office.example.com' })).toBe(
      'kagami@office.example.com, port 22',
    );
  });

  it('show the ends of local and remote forwards', () => {
    expect(forwardHeading(forward, STYLE)).toBe('files: ftp, localhost:8021 → [::1]:21');
    const remote = { ...forward, direction: 'remote' as const };
    expect(forwardHeading(remote, ASCII)).toBe('files: ftp, localhost:8021 on the server -> [::1]:21 here');
  });
});

describe('verdict', () => {
  const findings = (works: readonly boolean[], login = true): Findings => ({
    works: login && works.every(Boolean),
    servers: [{ ...server, works: login }],
    forwards: works.map((each) => ({ ...forward, works: each })),
  });

  it.each([
    [[true], true, 'It works.'],
    [[true, true], true, 'All 2 forwards work.'],
    [[true, false], true, '1 of 2 forwards works.'],
    [[false], true, '0 of 1 forward works.'],
    [[false], false, 'SSH login failed at office.example.com. 0 of 1 forward works.'],
  ])('forwards %j, login %j: %s', (works, login, expected) => {
    expect(verdict(findings(works, login))).toBe(expected);
  });
});
