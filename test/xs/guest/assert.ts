// What the contracts of test/unit/ports need of uvu/assert, for a guest.

function fail(message: string): never {
  throw new Error(message);
}

function shown(value: unknown): string {
  return value instanceof Uint8Array ? `[${value.join()}]` : typeof value === "object" ? JSON.stringify(value) : String(value);
}

function alike(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a.constructor !== b.constructor) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => alike((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]));
}

export function ok(value: unknown, message = "a truth"): void {
  if (!value) fail(message);
}

export function is(value: unknown, expected: unknown, message = ""): void {
  if (!Object.is(value, expected)) fail(`${shown(value)} is not ${shown(expected)} ${message}`);
}

export function equal(value: unknown, expected: unknown): void {
  if (!alike(value, expected)) fail(`${shown(value)} does not equal ${shown(expected)}`);
}

export function instance(value: unknown, kind: abstract new (...parameters: never[]) => unknown): void {
  if (!(value instanceof kind)) fail(`${shown(value)} is no ${kind.name}`);
}

export function throws(action: () => unknown, expected?: RegExp | ((error: unknown) => boolean)): void {
  let error: unknown;
  try {
    action();
  } catch (thrown) {
    error = thrown;
  }
  if (error === undefined) fail("nothing was thrown");
  if (expected instanceof RegExp && !expected.test((error as Error).message)) fail(`${String(error)} is not ${expected.source}`);
  if (typeof expected === "function" && !expected(error)) fail(`${String(error)} is not what was expected`);
}

export const not = Object.assign((value: unknown): void => ok(!value, "a falsehood"), {
  ok: (value: unknown): void => ok(!value, "a falsehood"),
  equal: (value: unknown, unexpected: unknown): void => ok(!alike(value, unexpected), `${shown(value)}, of all values`),
});
