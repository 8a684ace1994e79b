// The valid ranges of settings (RFC 9113 section 6.5.2).
import { defaultMaxFrameSize, errorCode, largestFrameSize, largestWindow, settingId } from './frames.ts';

/** Returns the error code for a setting's value: `noError` if it is in range, and for unknown settings. */
export function settingError(id: number, value: number, sender: 'client' | 'server'): number {
  switch (id) {
    case settingId.enablePush:
      // Only servers push, so a server cannot allow a client to.
      return value <= (sender === 'client' ? 1 : 0) ? errorCode.noError : errorCode.protocolError;
    case settingId.enableConnectProtocol:
    case settingId.noRfc7540Priorities:
      return value <= 1 ? errorCode.noError : errorCode.protocolError;
    case settingId.initialWindowSize:
      return value <= largestWindow ? errorCode.noError : errorCode.flowControlError;
    case settingId.maxFrameSize:
      return value >= defaultMaxFrameSize && value <= largestFrameSize
        ? errorCode.noError
        : errorCode.protocolError;
    default:
      return errorCode.noError;
  }
}

const known: ReadonlySet<number> = new Set(Object.values(settingId));

/** Returns whether it is a known setting. All others must be ignored. */
export function isKnownSetting(id: number): boolean {
  return known.has(id);
}
