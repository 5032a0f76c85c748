import { describe, expect, it } from 'vitest';
import { clientArguments } from '../../../../src/core/ssh/existing/arguments.ts';
import { isOpened } from '../../../../src/core/ssh/existing/client.ts';
import { broken, notOpened } from '../../../../src/core/ssh/existing/failures.ts';

describe('the arguments of an ssh that uses a master', () => {
  const FIXED = [
    ...['-F', 'none', '-v', '-T', '-e', 'none', '-S', '/run/m'],
    ...['-o', 'ControlMaster=no', '-o', 'BatchMode=yes', '-o', 'ProxyCommand=false'],
  ];

  it('name a port, in brackets if it is of IPv6', () => {
    const args = clientArguments('/run/m', 'host', { tcp: { host: 'localhost', port: 21 } });
    expect(args).toEqual([...FIXED, '-W', 'localhost:21', '--', 'host']);
    expect(clientArguments('/run/m', 'host', { tcp: { host: '::1', port: 21 } })).toContain('[::1]:21');
  });

  it('name a subsystem', () => {
    const args = clientArguments('/run/m', 'host', { subsystem: 'sftp' });
    expect(args).toEqual([...FIXED, '-s', '--', 'host', 'sftp']);
  });

  it('keep ssh from expanding the path again', () => {
    const args = clientArguments('/run/%h', 'host', { subsystem: 'sftp' });
    expect(args).toContain('/run/%%h');
  });

  it.each(['/run/x', 'a b', 'a]:1', 'a\\b', '', 'a\nb'])('refuse the host %j', (host) => {
    expect(() => clientArguments('/run/m', 'host', { tcp: { host, port: 1 } })).toThrow(
      expect.objectContaining({ code: 'CHANNEL_REFUSED' }),
    );
  });

  it('refuse Unix sockets', () => {
    expect(() => clientArguments('/run/m', 'host', { unix: '/run/x' })).toThrow(/ssh -W supports ports only/);
  });
});

describe('the words of an ssh that uses a master', () => {
  const TCP = { tcp: { host: 'localhost', port: 21 } };

  it.each([
    ['debug1: mux_client_request_stdio_fwd: master session id: 3', true],
    ['debug1: mux_client_request_session: master session id: 12', true],
    ['mux_client_request_session: master session id: 12', false],
    ['debug1: Executing proxy command: exec false', false],
  ])('%s', (line, opened) => {
    expect(isOpened(line)).toBe(opened);
  });

  it.each([
    [
      'Stdio forwarding request failed: Session open refused by peer',
      /server does not connect to localhost:21/,
    ],
    ['mux_client_request_stdio_fwd: Stdio forwarding request failed: No', /does not connect/],
    [
      'Master refused stdio forwarding request: Permission denied',
      /master of server refused.*Permission denied/,
    ],
  ])('%s', (line, message) => {
    expect(notOpened(TCP, 'server', [line, 'more'])).toMatchObject({
      code: 'CHANNEL_REFUSED',
      message: expect.stringMatching(message),
    });
  });

  it('that are not the master’s blame the master', () => {
    const words = [
      'Control socket connect(/run/m): No such file or directory',
      'Connection closed by UNKNOWN',
    ];
    expect(notOpened(TCP, 'server', words)).toBeNull();
  });

  it('name MaxSessions for a session', () => {
    const words = ['mux_client_request_session: session request failed: Session open refused by peer'];
    expect(notOpened({ subsystem: 'sftp' }, 'server', words)?.message).toMatch(/MaxSessions/);
  });

  it('are not a whole stream after any status but 0', () => {
    const ending = { status: 255, words: 'exit status 255' };
    expect(broken(TCP, 'server', ending, false).code).toBe('PEER_RESET');
    expect(broken({ subsystem: 'sftp' }, 'server', ending, true).message).toMatch(/does not start/);
  });
});
