// TraceStream: sends the requests of a trace as they come. It has a place among them and nothing else: who is slow is waited for.
import type { RequestTraces, TraceReader } from '../../core/explain/trace.ts';
import type { EventStream, StreamSender } from '../../core/plugin/admin.ts';

/** One reader of a trace. */
export class TraceStream implements StreamSender {
  private readonly stream: EventStream;
  /** Undefined: the trace is not kept any more. */
  private readonly reader: TraceReader | undefined;
  /** How many were sent, or read before. */
  private place: number;

  /** Begins to send those behind the first `after`. */
  constructor(
    stream: EventStream,
    traces: RequestTraces,
    from: { readonly id: number; readonly after: number },
  ) {
    this.stream = stream;
    this.place = from.after;
    this.reader = traces.follow(from.id, () => this.drained());
    // Whoever leaves before anything comes can resume from here.
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
      // Before the stream knows this one, too.
      reader?.leave();
      stream.finish();
    }
  }

  ended(): void {
    this.reader?.leave();
  }
}
