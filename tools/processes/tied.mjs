// Preloaded into every child that `chainmote start` makes: a child whose parent is gone ends at once.
//
// The channel that Node opens between the two closes with the parent, however it ended (kill -9 included), so that
// nothing is left running. Every store that a child holds survives this: it is what kill -9 does to it anyway.
// Never: keeps a child alive that has nothing else to do.

process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.channel?.unref();
