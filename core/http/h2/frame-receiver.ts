// FrameReceiver: the events of a frame reader.

/**
 * Receives what arrives on one connection, in order. Buffers and ranges are valid only during the call. The reader checks
 * what it can tell from frames alone; the receiver checks what depends on the state of streams.
 */
export interface FrameReceiver {
  /** The client's connection preface is complete. Servers only. */
  onPreface(): void;
  /** A DATA frame begins. `flowSize`: the bytes that it takes from the windows, including padding. */
  onDataStart(streamId: number, flowSize: number, endStream: boolean): void;
  /** Part of its payload, never empty. */
  onData(buffer: Buffer, start: number, end: number): void;
  /** The frame is complete. */
  onDataEnd(): void;
  /** A complete field block. It must be decoded even if its stream is over, because the table depends on it. */
  onHeaders(streamId: number, block: Buffer, start: number, end: number, endStream: boolean): void;
  onRstStream(streamId: number, code: number): void;
  /** A setting, one of {@link settingId}, with its value in range. Unknown settings are left out. */
  onSetting(id: number, value: number): void;
  /** All settings of a frame have been handed on. It needs an acknowledgement. */
  onSettingsEnd(): void;
  onSettingsAck(): void;
  /** A PING, which needs an acknowledgement with the same 8 bytes. */
  onPing(payload: Buffer): void;
  onPingAck(payload: Buffer): void;
  /** `debug`: the first bytes of the debug data, as latin1. */
  onGoAway(lastStreamId: number, code: number, debug: string): void;
  /** `streamId` 0: the connection's window. `increment` is never 0. */
  onWindowUpdate(streamId: number, increment: number): void;
  /** A frame without effect: PRIORITY, or one of an unknown type. The receiver counts its cost. */
  onIgnored(type: number): void;
  /**
   * The stream must be reset. Follows the frame's other events, if any: if HEADERS make their stream depend on itself, their
   * block is handed on first. An idle stream cannot be reset, so the connection ends instead (RFC 9113 section 6.4).
   */
  onStreamError(streamId: number, code: number, reason: string): void;
  /** The connection must end. Nothing more is read. */
  onConnectionError(code: number, reason: string): void;
}
