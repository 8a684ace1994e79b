// H1RequestBody: reads the body of the current request on a client's HTTP/1.1 connection. It hands the body on, keeps it while
// no upstream takes it, and limits how large it may be and how slowly it may arrive.
import { WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { BodyForm, RequestReceiver } from '../exchange/streams.ts';
import { slowness } from '../exchange/upload-rate.ts';
import type { Wire } from '../exchange/wire.ts';
import { ChunkedReader, type ChunkedSink } from './chunked-reader.ts';
import { chunked } from './message-framing.ts';
import type { RequestHead } from './request-head.ts';
import type { H1StreamHome } from './stream-home.ts';

export const noRequest = 0;
export const inBody = 1;
export const responding = 2;

/** The reading side of a stream. The subclass adds the response and the end. */
export abstract class H1RequestBody implements ChunkedSink {
  protected readonly connection: H1StreamHome;
  protected readonly wire: Wire;
  protected receiver: RequestReceiver | undefined = undefined;
  protected state = noRequest;
  protected smallBody: string | undefined = undefined;
  protected awaitingStage = false;
  private isChunked = false;
  private remaining = 0;
  private bodyBytes = 0;
  /** The most bytes of a chunked body. */
  private maxBody = Number.POSITIVE_INFINITY;
  private bodyBytesBefore = 0;
  private trailers: HeaderList | undefined = undefined;
  /** How much of the body must have arrived before it is handed on; 0 if nothing is being gathered. */
  private gathering = 0;
  /** Created for the first chunked body: most connections never see one. */
  private reader: ChunkedReader | undefined = undefined;

  constructor(connection: H1StreamHome, wire: Wire) {
    this.connection = connection;
    this.wire = wire;
  }

  get requestComplete(): boolean {
    return this.state !== inBody;
  }

  get wantsBody(): boolean {
    return this.receiver?.wantsBody === true;
  }

  /** Begins the body that this head announces. */
  protected beginBody(head: RequestHead): void {
    const { length } = head;
    this.isChunked = length === chunked;
    this.remaining = this.isChunked ? 0 : length;
    this.smallBody = undefined;
    this.trailers = undefined;
    this.bodyBytes = 0;
    this.gathering = 0;
    if (length === 0) {
      this.state = responding;
    } else {
      this.state = inBody;
      if (this.isChunked) this.beginChunked(head);
      this.watchBody();
    }
  }

  private beginChunked(head: RequestHead): void {
    this.reader ??= new ChunkedReader(this);
    this.maxBody = this.wire.settings.limits.body ?? Number.POSITIVE_INFINITY;
    this.reader.begin('keep', head.fields.hopNames, this.maxBody);
  }

  takeSmallBody(limit: number): string | undefined {
    this.gathering = 0;
    if (this.smallBody !== undefined) return this.smallBody;
    if (this.state !== inBody || this.isChunked || this.remaining > limit) return undefined;
    this.smallBody = this.connection.takeText(this.remaining);
    if (this.smallBody === undefined) return undefined;
    this.remaining = 0;
    this.state = responding;
    this.connection.deadline = 0;
    return this.smallBody;
  }

  /** A body with an announced length has already been checked against the limit. */
  limitBody(bytes: number): boolean {
    if (this.isChunked) {
      this.maxBody = Math.min(this.maxBody, bytes);
      this.reader?.allow(bytes);
    }
    return true;
  }

  bodyArrived(limit: number): boolean {
    if (this.state !== inBody) return true;
    const { available } = this.connection;
    if (available >= limit) return true;
    // An estimate is enough: the body is validated when it is read.
    return this.isChunked ? this.connection.endsEmpty : available >= this.remaining;
  }

  gatherBody(limit: number): void {
    this.gathering = limit;
    this.watchBody();
    this.connection.resume();
  }

  /** Called when more of the body has arrived and no upstream takes it yet. Returns false if more must be read first. */
  gathered(): boolean {
    if (this.gathering === 0) return true;
    if (!this.bodyArrived(this.gathering)) return false;
    this.gathering = 0;
    this.receiver?.onBodyArrived();
    return true;
  }

  resumeBody(form: BodyForm): void {
    if (this.state !== inBody) return;
    if (form === 'payload' && this.isChunked) this.reader?.strip();
    this.watchBody();
    this.connection.readOn();
  }

  /** Takes bytes of the body. Bytes after its end go back to the connection. */
  read(bytes: Buffer): void {
    if (this.reader !== undefined && this.isChunked) {
      this.readChunked(this.reader, bytes);
      return;
    }
    const take = Math.min(this.remaining, bytes.length);
    this.remaining -= take;
    if (take < bytes.length) this.connection.unread(bytes.subarray(take));
    if (this.remaining === 0) this.state = responding;
    this.passBody(take === bytes.length ? bytes : bytes.subarray(0, take));
    if (this.remaining === 0) this.endBodyRead(undefined);
    else if (!this.wantsBody) this.connection.pause();
  }

  private readChunked(reader: ChunkedReader, bytes: Buffer): void {
    const used = reader.read(bytes, 0, bytes.length);
    if (this.state !== inBody) return;
    if (used < 0) {
      const tooLarge = reader.announced > this.maxBody;
      this.receiver?.refuse(
        tooLarge
          ? new WeldrError('BODY_TOO_LARGE')
          : new WeldrError('BAD_CHUNK', `the request body: ${reader.problem}`),
      );
    } else if (reader.steered) {
      this.receiver?.refuse(
        new WeldrError('BAD_CHUNK', 'the request body: a trailer that belongs in the head'),
      );
    } else if (reader.complete) {
      if (used < bytes.length) this.connection.unread(bytes.subarray(used));
      this.state = responding;
      this.endBodyRead(this.trailers);
    } else if (!this.wantsBody) {
      this.connection.pause();
    }
  }

  onChunkedBytes(buffer: Buffer, start: number, end: number): void {
    this.passBody(buffer.subarray(start, end));
  }

  onChunkedLine(line: string): void {
    this.passBody(line);
  }

  onChunkedEnd(trailers: HeaderList | undefined): void {
    this.trailers = trailers;
  }

  private passBody(bytes: Buffer | string): void {
    this.bodyBytes += bytes.length;
    this.receiver?.onRequestBytes(bytes);
  }

  private endBodyRead(trailers: HeaderList | undefined): void {
    // A stage that is still running keeps its deadline.
    if (!this.awaitingStage) this.connection.deadline = 0;
    this.receiver?.onRequestEnd(trailers);
    this.connection.resume();
  }

  /** Why the body arrives too slowly; undefined if it does not. */
  protected get slowness(): string | undefined {
    return slowness(this.bodyProgress - this.bodyBytesBefore, this.wire.settings);
  }

  /** How many bytes of the body count towards the client's speed. */
  private get bodyProgress(): number {
    return this.gathering > 0 ? this.connection.available : this.bodyBytes;
  }

  protected watchBody(): void {
    this.bodyBytesBefore = this.bodyProgress;
    if (!this.awaitingStage) this.connection.awaitBody();
  }
}
