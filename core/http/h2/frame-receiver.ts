// FrameReceiver: the events of a frame reader.

/**
 * Receives what arrives on one connection, in order. Buffers and ranges are valid during the call only. The reader checks
 * what frames alone show; the receiver checks what depends on the state of streams.
 */
export interface FrameReceiver {
  /** The client's connection preface is complete; servers only. */
  onPreface(): void;
  /** A DATA frame begins; `flowSize`: the bytes that it takes from the windows, padding included. */
  onDataStart(streamId: number, flowSize: number, endStream: boolean): void;
  /** A part of its payload, never empty. */
  onData(buffer: Buffer, start: number, end: number): void;
  /** The frame is complete. */
  onDataEnd(): void;
  /** A whole field block. It must be decoded even if its stream is over, as the table depends on it. */
  onHeaders(streamId: number, block: Buffer, start: number, end: number, endStream: boolean): void;
  onRstStream(streamId: number, code: number): void;
  /** One of {@link settingId}, its value in range; unknown settings are left out. */
  onSetting(id: number, value: number): void;
  /** All settings of a frame were handed on; it needs an acknowledgement. */
  onSettingsEnd(): void;
  onSettingsAck(): void;
  /** A PING, which needs an acknowledgement with the same 8 bytes. */
  onPing(payload: Buffer): void;
  onPingAck(payload: Buffer): void;
  /** `debug`: the first bytes of the debug data, as latin1. */
  onGoAway(lastStreamId: number, code: number, debug: string): void;
  /** `streamId` 0: the connection's window. `increment` is never 0. */
  onWindowUpdate(streamId: number, increment: number): void;
  /** A frame without an effect: PRIORITY, or of an unknown type. The receiver counts what it costs. */
  onIgnored(type: number): void;
  /**
   * The stream has to be reset. Follows the frame's other events, if any: the block of HEADERS that make their stream depend
   * on itself is handed on first. An idle stream cannot be reset: the connection ends instead (RFC 9113 section 6.4).
   */
  onStreamError(streamId: number, code: number, reason: string): void;
  /** The connection has to end; nothing more is read. */
  onConnectionError(code: number, reason: string): void;
}
