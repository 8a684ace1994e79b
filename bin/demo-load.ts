// The load of the demo: a few requests a second that come and go, so that the dashboard has something to show.
import { request } from 'node:http';

const paths = ['/', '/', '/large', '/slow?ms=25', '/', '/slow?ms=60', '/chunked'];
/** Some 20 a second. */
const pauseMs = 50;

/** Sends until the process ends. */
export function startDemoLoad(url: string): void {
  let sent = 0;
  const send = (): void => {
    const path = paths[sent++ % paths.length];
    const asked = request(`${url}${path}`, response => response.resume());
    // Weldr stops, or no server answers: the dashboard shows it.
    asked.on('error', () => {});
    asked.end();
    // The pauses swing, over half a minute.
    const swing = 1 + 0.5 * Math.sin(Date.now() / 5_000);
    setTimeout(send, pauseMs * swing).unref();
  };
  send();
}
