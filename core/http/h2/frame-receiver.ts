// What a reader of frames tells a connection.

/**
 * What arrives on one connection, in order. Buffers and ranges are valid during the call only. A reader checks what can
 * be told from frames alone; what depends on the state of streams is the receiver's to check.
 */
export interface FrameReceiver {
  /** The client's connection preface is complete; servers only. */
  onPreface(): void;
  /** A DATA frame begins; `flowSize`: what it takes of the windows, its padding included. */
  onDataStart(streamId: number, flowSize: number, endStream: boolean): void;
  /** A part of its payload, never empty. */
  onData(buffer: Buffer, start: number, end: number): void;
  /** It is complete. */
  onDataEnd(): void;
  /** A whole field block. It has to be decoded whatever becomes of its stream, as the table depends on it. */
  onHeaders(streamId: number, block: Buffer, start: number, end: number, endStream: boolean): void;
  onRstStream(streamId: number, code: number): void;
  /** One of {@link settingId}, its value in range; others are left out. */
  onSetting(id: number, value: number): void;
  /** All settings of a frame were told; it wants an acknowledgement. */
  onSettingsEnd(): void;
  onSettingsAck(): void;
  /** A PING that wants the same 8 bytes back. */
  onPing(payload: Buffer): void;
  onPingAck(payload: Buffer): void;
  /** `debug`: the first bytes of its debug data, as latin1. */
  onGoAway(lastStreamId: number, code: number, debug: string): void;
  /** `streamId` 0: the connection's window. `increment` is never 0. */
  onWindowUpdate(streamId: number, increment: number): void;
  /** A frame without an effect: PRIORITY, or of an unknown type. It costs, so the receiver counts. */
  onIgnored(type: number): void;
  /**
   * The stream is to be reset. Comes behind the frame's other events, if it has any: the block of HEADERS that make their
   * stream depend on itself is handed on first. A stream that is idle cannot be reset: the connection ends instead
   * (RFC 9113 section 6.4).
   */
  onStreamError(streamId: number, code: number, reason: string): void;
  /** The connection is to be ended; nothing more is read. */
  onConnectionError(code: number, reason: string): void;
}
