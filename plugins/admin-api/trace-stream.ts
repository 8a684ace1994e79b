// TraceStream: sends the requests of a trace as they come. It has a place among them and no buffer: it waits for a slow reader.
import type { RequestTraces, TraceReader } from '../../core/explain/trace.ts';
import type { EventStream, StreamSender } from '../../core/plugin/admin.ts';

/** One reader of a trace. */
export class TraceStream implements StreamSender {
  private readonly stream: EventStream;
  /** Undefined: the trace is no longer kept. */
  private readonly reader: TraceReader | undefined;
  /** The number of requests sent or read before. */
  private place: number;

  /** Starts sending those after the first `after`. */
  constructor(
    stream: EventStream,
    traces: RequestTraces,
    from: { readonly id: number; readonly after: number },
  ) {
    this.stream = stream;
    this.place = from.after;
    this.reader = traces.follow(from.id, () => this.drained());
    // A client that leaves before anything comes can resume from here.
    stream.send({ id: this.place, event: 'hello', data: JSON.stringify({ next: this.place }) });
    this.drained();
  }

  drained(): void {
    const { stream, reader } = this;
    while (stream.ready) {
      const { requests, over } = reader?.read(this.place) ?? { requests: [], over: true };
      const [request] = requests;
      if (request !== undefined) {
        this.place++;
        stream.send({ id: this.place, data: JSON.stringify(request) });
        continue;
      }
      if (!over) return;
      stream.send({ event: 'over', data: JSON.stringify({ next: this.place }) });
      // It may end before the stream has this sender.
      reader?.leave();
      stream.finish();
    }
  }

  ended(): void {
    this.reader?.leave();
  }
}
