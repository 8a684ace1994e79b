// A simulated terminal: implements the xterm control sequences that a full-screen view needs, and no others.

/** A screen of text. Unknown sequences go to `unknown`. */
export class TerminalScreen {
  isAlternate = false;
  hasCursor = true;
  wraps = true;
  /** The number of changes of colours and styles. */
  styled = 0;
  /** Control characters and sequences that a view must not use. */
  readonly unknown: string[] = [];
  /** The number of texts that did not fit into their line. */
  overflows = 0;
  private columns: number;
  private rows: number;
  private lines: string[][] = [];
  private main: string[][] = [];
  private row = 0;
  private column = 0;
  private rest = '';

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
    this.clear();
  }

  /** Its lines, without the spaces at their ends. */
  get text(): string[] {
    return this.lines.map(line => line.join('').trimEnd());
  }

  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    const before = this.lines;
    this.clear();
    for (const [at, line] of this.lines.entries()) {
      for (const [column] of line.entries()) line[column] = before[at]?.[column] ?? ' ';
    }
    this.row = Math.min(this.row, rows - 1);
  }

  write(text: string): void {
    const [plain = '', ...sequences] = (this.rest + text).split('\x1b');
    this.rest = '';
    this.printAll(plain);
    for (const [at, sequence] of sequences.entries()) {
      const [control, letter] = /^\[[?>=]?[\d;]*([a-zA-Z]?)/.exec(sequence) ?? [];
      if (at === sequences.length - 1 && (sequence === '' || (letter === '' && control === sequence))) {
        this.rest = `\x1b${sequence}`;
      } else {
        this.steer(control ?? sequence.slice(0, 1));
        this.printAll(sequence.slice(control?.length ?? 1));
      }
    }
  }

  private steer(control: string): void {
    if (control === '[H') [this.row, this.column] = [0, 0];
    else if (control === '[K') this.lines[this.row]?.fill(' ', this.column);
    else if (control === '[?1049h') this.switchTo(true);
    else if (control === '[?1049l') this.switchTo(false);
    else if (control === '[?25h') this.hasCursor = true;
    else if (control === '[?25l') this.hasCursor = false;
    else if (control === '[?7h') this.wraps = true;
    else if (control === '[?7l') this.wraps = false;
    else if (/^\[\d*m$/.test(control)) this.styled++;
    else this.unknown.push(control);
  }

  private printAll(text: string): void {
    for (const character of text) {
      if (character === '\r') this.column = 0;
      else if (character === '\n') this.row = Math.min(this.row + 1, this.rows - 1);
      else if (/[\p{Cc}\p{Cf}]/u.test(character)) this.unknown.push(character);
      else this.print(character);
    }
  }

  private print(character: string): void {
    if (this.column >= this.columns) {
      this.overflows++;
      this.column = this.columns - 1;
    }
    const line = this.lines[this.row];
    if (line !== undefined) line[this.column++] = character;
  }

  private switchTo(alternate: boolean): void {
    if (this.isAlternate === alternate) return;
    this.isAlternate = alternate;
    if (alternate) {
      this.main = this.lines;
      this.clear();
    } else this.lines = this.main;
  }

  private clear(): void {
    this.lines = Array.from({ length: this.rows }, () => Array.from({ length: this.columns }, () => ' '));
  }
}
