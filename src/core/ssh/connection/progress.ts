/** How far the login at one host has come. */
export type LoginStage =
  /** The name has these addresses. Not told through a proxy, nor where the name is an address itself. */
  | { readonly stage: 'resolved'; readonly addresses: readonly string[] }
  /** `address` is null through a proxy. */
  | { readonly stage: 'connected'; readonly address: string | null }
  /** The host key is the right one. `software` is what the server calls itself (RFC 4253 4.2), made safe to show. */
  | {
      readonly stage: 'verified';
      readonly keyType: string;
      readonly fingerprint: string;
      readonly software: string | null;
    }
  /** `by` is what the server let in last, in words: a key's name, or the method. */
  | { readonly stage: 'ready'; readonly by: string };

/** A stage of the login at `host`, the name as it was typed. Each is told once per connection, in their order. */
export type LoginProgress = LoginStage & { readonly host: string };

/** Is told how far a login has come; must not throw. */
export type OnProgress = (progress: LoginProgress) => void;
