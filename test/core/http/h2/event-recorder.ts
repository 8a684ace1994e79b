// A receiver that records the events of a FrameReader, one line each. Parts of data are joined.
import type { FrameReader, FrameReceiver } from '../../../../core/http/h2/frame-reader.ts';
import { errorName, frameName, settingName } from '../../../../core/http/h2/frames.ts';

export class EventRecorder implements FrameReceiver {
  readonly events: string[] = [];
  /** Whether the last block was in the buffer that was read. */
  sliced = false;
  /** The buffer that is being read. */
  source: Buffer | undefined = undefined;
  /** Stops the reader at the event that begins like this. */
  stopAt: string | undefined = undefined;
  reader: FrameReader | undefined = undefined;
  private payload: Buffer[] = [];

  private add(event: string): void {
    this.events.push(event);
    if (this.stopAt !== undefined && event.startsWith(this.stopAt)) this.reader?.stop();
  }

  onPreface(): void {
    this.add('preface');
  }
  onDataStart(streamId: number, flowSize: number, endStream: boolean): void {
    this.payload = [];
    this.add(`data ${streamId} of ${flowSize}${endStream ? ', end' : ''}`);
  }
  onData(buffer: Buffer, start: number, end: number): void {
    if (start >= end) throw new Error('an empty part of data');
    this.payload.push(Buffer.from(buffer.subarray(start, end)));
  }
  onDataEnd(): void {
    this.add(`payload ${Buffer.concat(this.payload).toString('latin1')}`);
  }
  onHeaders(streamId: number, block: Buffer, start: number, end: number, endStream: boolean): void {
    this.sliced = block === this.source;
    this.add(`headers ${streamId} ${block.toString('latin1', start, end)}${endStream ? ', end' : ''}`);
  }
  onRstStream(streamId: number, code: number): void {
    this.add(`reset ${streamId} ${errorName(code)}`);
  }
  onSetting(id: number, value: number): void {
    this.add(`setting ${settingName(id)} ${value}`);
  }
  onSettingsEnd(): void {
    this.add('settings end');
  }
  onSettingsAck(): void {
    this.add('settings ack');
  }
  onPing(payload: Buffer): void {
    this.add(`ping ${payload.toString('latin1')}`);
  }
  onPingAck(payload: Buffer): void {
    this.add(`ping ack ${payload.toString('latin1')}`);
  }
  onGoAway(lastStreamId: number, code: number, debug: string): void {
    this.add(`goaway ${lastStreamId} ${errorName(code)} ${debug}`);
  }
  onWindowUpdate(streamId: number, increment: number): void {
    this.add(`window ${streamId} ${increment}`);
  }
  onIgnored(type: number): void {
    this.add(`ignored ${frameName(type)}`);
  }
  onStreamError(streamId: number, code: number, reason: string): void {
    this.add(`stream error ${streamId} ${errorName(code)}: ${reason}`);
  }
  onConnectionError(code: number, reason: string): void {
    this.add(`connection error ${errorName(code)}: ${reason}`);
  }
}
