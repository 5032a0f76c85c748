import ssh2 from 'ssh2';

/**
 * What the rest of core/ssh uses of ssh2's public interface. ssh2 is pinned: before an upgrade, read again what this folder relies
 * on.
 */
export type {
  Algorithms,
  AnyAuthMethod,
  AuthHandlerMiddleware,
  Client,
  IdentityCallback,
  ParsedKey,
  Prompt,
  SignCallback,
  SigningRequestOptions,
} from 'ssh2';
export { BaseAgent, createAgent } from 'ssh2';
export const { parseKey } = ssh2.utils;
