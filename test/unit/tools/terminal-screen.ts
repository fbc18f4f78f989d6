// A small terminal: what a person sees after a program has written its bytes. It knows what our programs use, and throws for the rest.
//
// Promises: rows, cursor, wrapping at the last column as a VT100 does (the cursor waits there for one character more), scrolling, resizing
// without reflow as xterm does it. Never: a width table of the code under test; how wide a character is, its owner says.

export type Width = (character: string) => number;

export class TerminalScreen {
  readonly #width: Width;
  #columns: number;
  #rows: number;
  #cells: string[][];
  #row = 0;
  #column = 0;
  #wraps = true;
  /** The last column is taken, and the next character wraps. */
  #waits = false;
  /** Rows that have gone off the top. */
  readonly gone: string[] = [];

  constructor(columns: number, rows: number, width: Width = () => 1) {
    this.#columns = columns;
    this.#rows = rows;
    this.#width = width;
    this.#cells = Array.from({ length: rows }, () => []);
  }

  get wraps(): boolean {
    return this.#wraps;
  }

  get cursor(): readonly [row: number, column: number] {
    return [this.#row, this.#column];
  }

  /** All rows that are there or were, without what is empty at the end. */
  get rows(): readonly string[] {
    const lines = [...this.gone, ...this.#cells.map(textOf)];
    while (lines.at(-1) === "") lines.pop();
    return lines;
  }

  resize(columns: number, rows: number): void {
    this.#columns = columns;
    while (this.#cells.length > rows && this.#row > 0 && this.#row >= rows) {
      this.gone.push(textOf(this.#cells.shift() as string[]));
      this.#row -= 1;
    }
    this.#cells.length = Math.min(this.#cells.length, rows);
    while (this.#cells.length < rows) this.#cells.push([]);
    for (const cells of this.#cells) cells.length = Math.min(cells.length, columns);
    this.#rows = rows;
    this.#column = Math.min(this.#column, columns - 1);
    this.#waits = false;
  }

  write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what a terminal reads
    for (const [piece, command, end] of text.matchAll(/\x1b\[([?0-9;]*)([A-Za-z])|[\s\S]/gu)) {
      if (end !== undefined) this.#obey(command as string, end);
      else this.#put(piece);
    }
  }

  #obey(command: string, end: string): void {
    this.#waits = false;
    if (end === "m") return;
    if (end === "A") this.#row = Math.max(0, this.#row - Number(command || 1));
    else if (end === "J" && command === "") this.#wipe();
    else if (command === "?7" && (end === "h" || end === "l")) this.#wraps = end === "h";
    else throw new Error(`this terminal does not know ESC [ ${command}${end}`);
  }

  #wipe(): void {
    (this.#cells[this.#row] as string[]).length = Math.min(this.#column, this.#cells[this.#row]?.length ?? 0);
    for (let row = this.#row + 1; row < this.#rows; row += 1) this.#cells[row] = [];
  }

  #put(character: string): void {
    if (character === "\r") this.#column = 0;
    // The line discipline of a tty makes "\r\n" of it.
    if (character === "\n") {
      this.#column = 0;
      this.#down();
    }
    if (character === "\r" || character === "\n") this.#waits = false;
    else if (character < " ") throw new Error(`a control character: ${character.charCodeAt(0)}`);
    else this.#show(character);
  }

  #show(character: string): void {
    const width = this.#width(character);
    if (width === 0) return;
    if (this.#waits || this.#column + width > this.#columns) {
      if (this.#wraps) {
        this.#column = 0;
        this.#down();
      } else this.#column = this.#columns - width;
      this.#waits = false;
    }
    const cells = this.#cells[this.#row] as string[];
    while (cells.length < this.#column) cells.push(" ");
    cells[this.#column] = character;
    if (width === 2) cells[this.#column + 1] = "";
    this.#column += width;
    if (this.#column < this.#columns) return;
    this.#column = this.#columns - 1;
    this.#waits = this.#wraps;
  }

  #down(): void {
    if (this.#row + 1 < this.#rows) this.#row += 1;
    else {
      this.gone.push(textOf(this.#cells.shift() as string[]));
      this.#cells.push([]);
    }
  }
}

function textOf(cells: readonly string[]): string {
  return cells.join("").trimEnd();
}
