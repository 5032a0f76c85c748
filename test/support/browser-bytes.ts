/**
 * What browsers sent to a TCP port for a page of http://127.0.0.1:9000, byte for byte but for the
 * length of some headers: Chromium 156 and Firefox 153 on Debian 12. `BODY` is the page's own text.
 */
const BODY = '\r\nUSER demo\r\nPASS demo\r\nMKD owned\r\nQUIT\r\n';

export const BROWSER_BYTES = {
  'Chromium, fetch no-cors POST': `POST /x HTTP/1.1\r\nHost: 127.0.0.1:8121\r\nConnection: keep-alive\r\nContent-Length: 41\r\nsec-ch-ua-platform: "Linux"\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36\r\nContent-Type: text/plain;charset=UTF-8\r\nAccept: */*\r\nOrigin: http://127.0.0.1:9000\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\nReferer: http://127.0.0.1:9000/\r\n\r\n${BODY}`,
  'Firefox, fetch no-cors POST': `POST /x HTTP/1.1\r\nHost: 127.0.0.1:8121\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0\r\nAccept: */*\r\nReferer: http://127.0.0.1:9000/\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 41\r\nOrigin: http://127.0.0.1:9000\r\nConnection: keep-alive\r\nSec-Fetch-Mode: no-cors\r\n\r\n${BODY}`,
  'Chromium, GET':
    'GET /USER%20x HTTP/1.1\r\nHost: 127.0.0.1:8110\r\nConnection: keep-alive\r\nAccept: */*\r\n\r\n',
  'Firefox, form of type text/plain':
    'POST / HTTP/1.1\r\nHost: 127.0.0.1:8122\r\nContent-Type: text/plain\r\nContent-Length: 15\r\nOrigin: http://127.0.0.1:9000\r\n\r\na\r\nUSER x\r\n=b\r\n',
  'Firefox, WebSocket':
    'GET / HTTP/1.1\r\nHost: 127.0.0.1:8123\r\nSec-WebSocket-Version: 13\r\nOrigin: http://127.0.0.1:9000\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n',
} as const;

/** The beginning of Chromium's ClientHello for `fetch('https://127.0.0.1:8125/')`. */
export const CLIENT_HELLO = Buffer.from(
  '16030107010100070303dae84b07704c7da81bda1b0f774ccb76f30d9fbf97b36aa8fd08a8d954',
  'hex',
);

/**
 * Chromium's TURN Allocate over TCP (RFC 8656): neither HTTP nor TLS, and sent as soon as it has
 * connected.
 */
export const TURN_ALLOCATE = Buffer.from(
  '000300082112a4422b756f307239717443514600190004110000 00'.replace(' ', ''),
  'hex',
);
