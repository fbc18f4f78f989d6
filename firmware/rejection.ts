// How the firmware says no, and how it says that it is itself at fault.
//
// Promises: hostile input is answered by a `Rejection`, returned or thrown, never by a crash; a broken assumption of
// our own throws. Never: a stack trace, or a secret, in a detail.

/** Input that a named check refused. `code` is stable and lower-case with hyphens; `detail` is for a person. */
export class Rejection {
  readonly code: string;
  readonly detail: string;
  constructor(code: string, detail: string) {
    this.code = code;
    this.detail = detail;
  }
  toString(): string {
    return `${this.code}: ${this.detail}`;
  }
}

/** Throws where one of our own assumptions does not hold. Kept in production; never used on input. */
export function assert(condition: unknown, assumption: string): asserts condition {
  if (!condition) throw new Error(`broken assumption: ${assumption}`);
}
