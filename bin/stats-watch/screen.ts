// Screen: takes over a whole terminal, and restores it however the process ends.
import type { ReadStream, WriteStream } from 'node:tty';
import { type Line, textOf, widthOf } from './line.ts';

/** The events of a screen. */
export interface ScreenEvents {
  /** A key was pressed: its character. */
  key(character: string): void;
  /** The size has changed, or the drawing is gone. */
  resized(): void;
}

// xterm's control sequences: the alternate screen, which has no scrollback; no cursor; no wrapping of long lines.
const enter = '\x1b[?1049h';
const settle = '\x1b[?25l\x1b[?7l';
const leave = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const home = '\x1b[H';
const clearToEndOfLine = '\x1b[K';

/** Signals that end the process, after the terminal is restored. */
const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** In raw mode these keys do not become signals, which the terminal sends to all processes in its foreground. */
const signalKeys: Readonly<Record<string, NodeJS.Signals>> = {
  '\x03': 'SIGINT',
  '\x1a': 'SIGTSTP',
  '\x1c': 'SIGQUIT',
};
const foreground = 0;

/** After this time, a process that asked to be stopped has continued, or was never stopped, ms. */
const stopTakesMs = 100;

/** Draws on a whole terminal. */
export class Screen {
  private readonly output: WriteStream;
  private readonly input: ReadStream | undefined;
  private readonly events: ScreenEvents;
  private isOpen = false;
  private resuming: NodeJS.Timeout | undefined;

  /** `input`: where keys come from, if it is a terminal. */
  constructor(output: WriteStream, input: ReadStream | undefined, events: ScreenEvents) {
    this.output = output;
    this.input = input;
    this.events = events;
  }

  /** In characters; 80 by 24 when the terminal does not report its size. */
  get size() {
    return { columns: this.output.columns || 80, rows: this.output.rows || 24 };
  }

  /** Takes over the terminal until `close`. */
  open(): void {
    for (const signal of endingSignals) process.on(signal, this.ending);
    process.on('SIGTSTP', this.suspending);
    process.on('SIGCONT', this.continuing);
    process.on('exit', this.closing);
    this.output.on('resize', this.resized);
    this.input?.on('data', this.reading);
    this.input?.on('error', ignore);
    this.take();
  }

  /** Restores the terminal. A second call does nothing. */
  close(): void {
    for (const signal of endingSignals) process.off(signal, this.ending);
    process.off('SIGTSTP', this.suspending);
    process.off('SIGCONT', this.continuing);
    process.off('exit', this.closing);
    this.output.off('resize', this.resized);
    this.input?.off('data', this.reading);
    clearTimeout(this.resuming);
    this.giveBack();
  }

  /** Overwrites the screen in one piece, without clearing it first, so that nothing flickers. */
  draw(lines: readonly Line[]): void {
    // A terminal that is slower than the view gets the newest frame, not all of them.
    if (!this.isOpen || this.output.writableLength > 0) return;
    const { columns } = this.size;
    const colours = this.output.hasColors();
    const texts = lines.map(line => {
      const width = line.reduce((sum, { text }) => sum + widthOf(text), 0);
      // At the end of a full line the cursor is on its last character, which would be cleared.
      return textOf(line, { colours }) + (width < columns ? clearToEndOfLine : '');
    });
    this.output.write(home + texts.join('\r\n'));
  }

  private take(): void {
    // Twice, because a shell that had the terminal meanwhile may have changed its mode.
    this.input?.setRawMode(false);
    this.input?.setRawMode(true);
    this.input?.resume();
    this.output.write(this.isOpen ? settle : enter + settle);
    this.isOpen = true;
  }

  private giveBack(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.input?.setRawMode(false);
    this.input?.pause();
    this.output.write(leave);
  }

  private readonly closing = (): void => this.close();

  private readonly resized = (): void => this.events.resized();

  private readonly ending = (signal: NodeJS.Signals): void => {
    this.close();
    // The parent sees that the signal ended this process, as it would without a handler.
    process.kill(process.pid, signal);
  };

  private readonly suspending = (): void => this.suspend(process.pid);

  /** Stops until the shell continues this process. If no shell could, the kernel does not stop it either. */
  private suspend(whom: number): void {
    if (!this.isOpen) return;
    this.giveBack();
    process.off('SIGTSTP', this.suspending);
    process.kill(whom, 'SIGTSTP');
    this.resuming = setTimeout(() => {
      process.on('SIGTSTP', this.suspending);
      this.continuing();
    }, stopTakesMs);
  }

  private readonly continuing = (): void => {
    this.take();
    this.events.resized();
  };

  private readonly reading = (data: Buffer | string): void => {
    for (const character of data.toString()) {
      const signal = signalKeys[character];
      if (signal === undefined) this.events.key(character);
      else if (signal === 'SIGTSTP') this.suspend(foreground);
      else process.kill(foreground, signal);
    }
  };
}

const ignore = (): void => {};
