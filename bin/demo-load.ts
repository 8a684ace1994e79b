// The load of the demo: some requests a second, in waves, so that the dashboard has something to show.
import { request } from 'node:http';

const paths = ['/', '/', '/large', '/slow?ms=25', '/', '/slow?ms=60', '/chunked'];
/** About 20 requests a second. */
const pauseMs = 50;

/** Sends requests until the process ends. */
export function startDemoLoad(url: string): void {
  let sent = 0;
  const send = (): void => {
    const path = paths[sent++ % paths.length];
    const asked = request(`${url}${path}`, response => response.resume());
    // Weldr is stopping, or no server answers: the dashboard shows that.
    asked.on('error', () => {});
    asked.end();
    // The pauses change in a wave of half a minute.
    const swing = 1 + 0.5 * Math.sin(Date.now() / 5_000);
    setTimeout(send, pauseMs * swing).unref();
  };
  send();
}
