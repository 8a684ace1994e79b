// The protocol of a client without TLS, read from its first bytes.
import * as assert from 'uvu/assert';
import { protocolOf } from '../../../../core/http/accept/first-line.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('the first bytes of a client');

const of = (text: string): string => protocolOf(Buffer.from(text, 'latin1')) ?? 'more';

for (const [what, expected, texts] of [
  [
    'the preface is HTTP/2',
    'h2',
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'PRI * HT', 'PRI ', 'PRI / HTTP/1.1\r\n'],
  ],
  [
    'a request line is HTTP/1.1 from the beginning of its target on',
    'http/1.1',
    ['GET /', 'P /', 'PRIVATE /x HTTP/1.1\r\n', 'GET http://a.test/ HTTP/1.1\r\n', '\r\n\r\nGET /'],
  ],
  [
    'a request line of another form that names a version is HTTP/1.1',
    'http/1.1',
    ['CONNECT a.test:443 HTTP/1.1\r\n', 'OPTIONS * HTTP/1.1\r\n', 'CONNECT a.test:443 HTTP/'],
  ],
  [
    'a request line with a mistake is HTTP/1.1, which responds to it',
    'http/1.1',
    [
      'get / HTTP/1.1\r\n',
      'GET / HTTP/1.9\r\n',
      'GET /\r\n',
      'GET x http/1.1\n',
      `${'A'.repeat(40)} / HTTP/1.1`,
    ],
  ],
  [
    'a TLS client gets the response of HTTP/1.1, which it may recognize',
    'http/1.1',
    ['\x16\x03\x01\x02\0', '\x16\x03', '\x16\x03\x03'],
  ],
  [
    'anything else is HTTP/2 with a wrong preface',
    'h2',
    [
      'INVALID CONNECTION PREFACE\r\n\r\n',
      'EHLO mail.test\r\n',
      'QUIT\r\n',
      'HTTP/1.1 200 OK\r\n',
      '\x16\x04\x01',
      '\0\0\0\x04\0\0\0\0\0',
      ' GET / HTTP/1.1\r\n',
      '\r\n\r\n\r\n',
      'x'.repeat(600),
      `GET ${'x'.repeat(600)}`,
    ],
  ],
  [
    'a beginning that could be either waits for more',
    'more',
    ['P', 'PRI', 'GE', 'GET', 'GET ', '\r', '\r\n', 'CONNECT a.test:443', 'INVALID CONNECTION PREFACE'],
  ],
] as const) {
  test(what, () => {
    for (const text of texts) assert.is(of(text), expected, JSON.stringify(text));
  });
}
