// The module `chainmote/bench-build` of the bench firmware: by what it was compiled (build.c).

/** The compiler and its version. */
export function compiler(this: unknown): string {
  return native<string>("xs_chainmote_bench_compiler").call(this);
}

/** The optimisation that it was told. */
export function flags(this: unknown): string {
  return native<string>("xs_chainmote_bench_flags").call(this);
}
