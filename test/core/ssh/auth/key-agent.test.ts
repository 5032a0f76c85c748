import { expect, it, onTestFinished, vi } from 'vitest';
import { signByAgent } from '../../../../src/core/ssh/auth/key-agent.ts';
import type { BaseAgent, ParsedKey } from '../../../../src/core/ssh/ssh2/library.ts';

it('an agent that never signs does not hold up the login for ever', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const agent = { sign() {} } as unknown as BaseAgent;
  const signed = signByAgent(agent, {} as ParsedKey)(Buffer.from('data'), {});
  const failed = expect(signed).rejects.toThrow('the agent did not sign within 120 s');
  await vi.advanceTimersByTimeAsync(120_000);
  await failed;
});
