// The constants of HTTP/2 (RFC 9113), and their names for logs.

/** Frame types (section 6). */
export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Frame flags. `ack` and `endStream` share a bit, on different types. */
export const frameFlag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** Error codes (section 7). */
export const errorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;

/** Setting identifiers (section 6.5.2, RFC 8441 section 3, RFC 9218 section 2.1). */
export const settingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
  noRfc7540Priorities: 9,
} as const;

/** Bytes of the header before each frame's payload (section 4.1). */
export const frameHeaderSize = 9;
/** The largest payload that every peer accepts unless its settings say otherwise. */
export const defaultMaxFrameSize = 16_384;
/** The largest payload that a frame can have. */
export const largestFrameSize = 2 ** 24 - 1;
/** The largest flow-control window (section 6.9.1), and the largest stream identifier. */
export const largestWindow = 2 ** 31 - 1;

/** What a client sends first (section 3.4): `PRI * HTTP/2.0`, an empty line, `SM`, an empty line. */
export const clientPreface = Buffer.from('505249202a20485454502f322e300d0a0d0a534d0d0a0d0a', 'hex');

const errorNames = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

const typeNames = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
  'CONTINUATION',
];

const settingNames = [
  undefined,
  'HEADER_TABLE_SIZE',
  'ENABLE_PUSH',
  'MAX_CONCURRENT_STREAMS',
  'INITIAL_WINDOW_SIZE',
  'MAX_FRAME_SIZE',
  'MAX_HEADER_LIST_SIZE',
  undefined,
  'ENABLE_CONNECT_PROTOCOL',
  'NO_RFC7540_PRIORITIES',
];

/** Returns the name of an error code, such as `PROTOCOL_ERROR`, or the code in hexadecimal if it has none. */
export function errorName(code: number): string {
  return errorNames[code] ?? `0x${code.toString(16)}`;
}

/** Returns the name of a frame type, such as `HEADERS`, or the type in hexadecimal if it has none. */
export function frameName(type: number): string {
  return typeNames[type] ?? `0x${type.toString(16)}`;
}

/** Returns the name of a setting, such as `MAX_FRAME_SIZE`, or its identifier in hexadecimal if it has none. */
export function settingName(id: number): string {
  return settingNames[id] ?? `0x${id.toString(16)}`;
}
