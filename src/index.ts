/** sshferry as a library: forwards that follow FTP, POP3, SMTP and IMAP through SSH. */

export { createGateway, type GatewayEnvironment } from './app/library.ts';
export { type AnyPlugin, PLUGINS, pluginNamed } from './app/plugins.ts';
export type { ConfigInput } from './config/schema.ts';
export type { Endpoint } from './core/endpoint.ts';
export { type ErrorCode, GatewayError } from './core/errors.ts';
export type { GatewayEmitter, GatewayEvents, TransferInfo } from './core/events.ts';
export { type ForwardSpec, forward } from './core/forward.ts';
export { Gateway, type GatewayOptions } from './core/gateway.ts';
export { localTransport } from './core/local/local-transport.ts';
export type { LocalUsers } from './core/local/local-users.ts';
export { tcpStream } from './core/local/tcp-stream.ts';
export { DirectTransport } from './core/local/tcp-transport.ts';
export { type Logger, silentLogger } from './core/log.ts';
export type { ProtocolPlugin, SessionContext } from './core/plugin.ts';
export { type ProbeCode, ProbeFailure } from './core/probe/failure.ts';
export type { LineClient } from './core/probe/line-client.ts';
export type { AccountSource, ProbeSession, ProbeSteps } from './core/probe/probe.ts';
export { type PumpResult, pump } from './core/pump.ts';
export { resolveSshOptions } from './core/ssh/config/ssh-config.ts';
export type { Prompter, SshOptions } from './core/ssh/options.ts';
export { sshTransport } from './core/ssh/transport.ts';
export type { Stream } from './core/stream.ts';
export type { Destination, Target } from './core/target.ts';
export type { Listening, ManagedTransport, Peer, Transport, TransportState } from './core/transport.ts';
export { relay, relaySchema } from './protocols/relay.ts';
