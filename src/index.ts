/** sshferry as a library: forwards that follow FTP, POP3, SMTP and IMAP through SSH. */

export type { ConfigInput } from './config/schema.ts';
export { DirectTransport } from './core/direct.ts';
export type { Endpoint } from './core/endpoint.ts';
export { type ErrorCode, GatewayError } from './core/errors.ts';
export type { GatewayEmitter, GatewayEvents, TransferInfo } from './core/events.ts';
export { type ForwardSpec, forward, Gateway, type GatewayOptions } from './core/gateway.ts';
export { localTransport } from './core/local-transport.ts';
export type { LocalUsers } from './core/local-users.ts';
export { type Logger, silentLogger } from './core/log.ts';
export { type PumpResult, pump } from './core/pipe.ts';
export type { ProtocolPlugin, SessionContext } from './core/plugin.ts';
export type { Prompter, SshOptions } from './core/ssh/options.ts';
export { resolveSshOptions } from './core/ssh/ssh-config.ts';
export { sshTransport } from './core/ssh/transport.ts';
export type { Listening, ManagedTransport, Peer, Transport, TransportState } from './core/transport.ts';
export { createGateway, type GatewaySurroundings } from './library.ts';
export { type AnyPlugin, PLUGINS, pluginNamed } from './protocols/registry.ts';
export { relay, relaySchema } from './protocols/relay.ts';
