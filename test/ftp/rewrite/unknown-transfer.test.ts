import { client, passive, scenario, server, toClient, toServer, whole } from '../../support/ftp-dialogue.ts';

scenario('a command that sshferry does not know begins a transfer, with another command after it', [
  ...passive(1),
  client('XRET f', toServer('XRET f')),
  client('NOOP', toServer('NOOP')),
  server('150 Go', 'start 1 XRET f download', toClient('150 Go')),
  server('226 Done', 'expect-close 1'),
  whole(1, 'download', toClient('226 Done'), 'end 1 226'),
  server('200 OK', toClient('200 OK')),
]);
