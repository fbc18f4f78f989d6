// The face of the runtime (index.ts) under the package's own name, as an application's manifest gives it to a board: `chainmote`.
// On Node the package's exports do.

export * from "chainmote/index";
