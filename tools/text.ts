// Words and numbers as people read them.
//
// Promises: one line without control characters, whatever text came in. Never: anything of Node, for `chainmote/verify` has none.

/** Foreign text on one line, without control characters. */
export function plainText(text: string, lengthMax = 300): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const clean = text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ").trim();
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
