import type { ConnectionAbout } from '../../transport.ts';

/** The stages of a login at one host. */
export type LoginStage =
  /**
   * The name has these addresses. Not reported through a proxy, or if the name is itself an
   * address.
   */
  | { readonly stage: 'resolved'; readonly addresses: readonly string[] }
  /** `address` is null through a proxy. */
  | { readonly stage: 'connected'; readonly address: string | null }
  /**
   * The host key is verified. `software` is the server's own identification (RFC 4253 4.2), safe to
   * show.
   */
  | {
      readonly stage: 'verified';
      readonly keyType: string;
      readonly fingerprint: string;
      readonly software: string | null;
    }
  /** `by` is the key or method with which the login succeeded, in words. */
  | { readonly stage: 'ready'; readonly by: string; readonly about: ConnectionAbout };

/**
 * A stage of the login at `host`, the name as typed. Each is reported once per connection, in
 * order.
 */
export type LoginProgress = LoginStage & { readonly host: string };

/** Receives the stages of a login. Must not throw. */
export type OnProgress = (progress: LoginProgress) => void;
