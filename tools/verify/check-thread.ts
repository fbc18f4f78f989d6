// In a thread of its own: says of each record of a batch whether its signature holds.
//
// Promises: one answer per batch, in the order of its records; the verdicts of `verifySign1`, whatever was checked before.

import { parentPort } from "node:worker_threads";
import { engine } from "../crypto/engine.js";
import { END } from "../threads.js";
import { type Batch, Checker } from "./checker.js";

if (parentPort === null) throw new Error("this is a thread of checking.ts");
const port = parentPort;
const checker = new Checker(engine);

port.on("message", (batch: Batch | typeof END) => {
  if (batch === END) process.exit();
  const answer = checker.check(batch);
  port.postMessage(answer, [answer.digests.buffer as ArrayBuffer]);
});
