// Hexadecimal texts of the vectors in lower case, since they may come in either.

/** `value` with every text that begins with 0x in lower case. */
export function lowerHex<T>(value: unknown): T {
  if (typeof value === "string") return (/^0x/i.test(value) ? value.toLowerCase() : value) as T;
  if (Array.isArray(value)) return value.map((item) => lowerHex(item)) as T;
  if (typeof value !== "object" || value === null) return value as T;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, lowerHex(item)])) as T;
}
