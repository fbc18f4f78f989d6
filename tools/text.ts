// Words and numbers as people read them.
//
// Promises: one line without control characters and without marks that turn the direction of text, whatever text came in; a width in
// cells that is never less than a terminal's (Unicode Standard Annex 11). Never: anything of Node, for `chainmote/verify` has none.

/** Foreign text on one line, without control characters and without what makes a text read otherwise than it is (bidi controls). */
export function plainText(text: string, lengthMax = 300): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const clean = text.replace(/[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g, " ").trim();
  return clean.length <= lengthMax ? clean : `${clean.slice(0, lengthMax - 1)}…`;
}

/** `0x6f00…49bf` of an address or a hash. */
export function shortHex(hex: string): string {
  const text = hex.startsWith("0x") ? hex : `0x${hex}`;
  return text.length <= 14 ? text : `${text.slice(0, 6)}…${text.slice(-4)}`;
}

/** `1,234,567` */
export function count(value: number): string {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 record`, `2 records` */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** East Asian wide and full-width characters, first and last of each range; emoji are known by their own property. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2630, 0x2637],
  [0x268a, 0x268f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18dff],
  [0x1aff0, 0x1b2ff],
  [0x1d300, 0x1d37f],
  [0x1f200, 0x1f2ff],
  [0x20000, 0x3fffd],
];
const WIDE_MAX = 2;
/** Makes a pictogram of the character before it, which is wide then. */
const PICTURE_MARK = "\ufe0f";
/** A change of style by our own hand, or one character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: styles begin with one
const PIECE = /(\u001b\[[0-9;]*m)|[\s\S]/gu;

/** How many cells of a terminal a character takes: 0, 1 or 2. */
function cellsOfOne(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (character === PICTURE_MARK) return 1; // with the character before it, two
  if (/^[\p{Mn}\p{Me}\p{Cf}]/u.test(character)) return 0;
  if (/^\p{Emoji_Presentation}/u.test(character)) return WIDE_MAX;
  return WIDE.some(([first, last]) => code >= first && code <= last) ? WIDE_MAX : 1;
}

/** How many cells a text takes, styles left out. Characters that a terminal may join count one by one. */
export function cellsOf(text: string): number {
  let cells = 0;
  for (const [piece, style] of text.matchAll(PIECE)) if (style === undefined) cells += cellsOfOne(piece);
  return cells;
}

/** What of a text fits into so many cells, styles whole; where something is left out, "…" ends it. */
export function fitted(text: string, cellsMax: number): string {
  if (cellsOf(text) <= cellsMax) return text;
  let cells = 0;
  let shown = "";
  for (const [piece, style] of text.matchAll(PIECE)) {
    if (style === undefined) {
      cells += cellsOfOne(piece);
      if (cells > cellsMax - 1) break;
    }
    shown += piece;
  }
  return `${shown}${cellsMax > 0 ? "…" : ""}${shown.includes("\u001b") ? "\u001b[0m" : ""}`;
}
