// The Moddable SDK's `native`: a function of C by its name. A function of ours whose body is nothing but
// `return native("xs_…").call(this, …)` is compiled to the C function itself, by xsc as by our XS host.

declare function native<Result>(name: string): { call(self: unknown, ...parameters: unknown[]): Result };
