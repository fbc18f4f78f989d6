// In a thread of its own: a share of the fleet's boards with a broker, a chain and a collector of theirs. Says when it is ready, runs
// when it is told, says when it is done.

import { parentPort, workerData } from "node:worker_threads";
import { Fleet, type FleetOptions } from "../../test/bench/fleet.js";
import { END } from "../threads.js";

if (parentPort === null) throw new Error("this is a thread of fleet.ts");
const port = parentPort;
const fleet = await Fleet.open(workerData as FleetOptions);

port.on("message", async (minutes: number | typeof END) => {
  if (minutes === END) process.exit();
  await fleet.run(minutes);
  port.postMessage("done");
  await fleet.close();
  port.close();
});
port.postMessage("ready");
