// A fleet of whole motes in one process: every record and every header of every board, whichever engine and link it has. And the link
// itself: what a board sees of the end of a stream inside the process.

import type { Duplex } from "node:stream";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Network } from "../../../host-sim/world/network.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { Fleet } from "../../bench/fleet.js";
import { until } from "../../patience.js";

const BOARDS = 3;
const MINUTES = 4;

for (const options of [
  { crypto: "noble", shared: false, link: "sockets" },
  { crypto: "fast", shared: false, link: "process" },
  { crypto: "fast", shared: true, link: "process" },
] as const)
  test(`${JSON.stringify(options)}: all is stored and verified`, async () => {
    const fleet = await Fleet.open({ boards: BOARDS, ...options });
    const before = fleet.checked;
    await fleet.run(MINUTES); // throws where anything lacks
    assert.ok(fleet.checked - before >= BOARDS * (MINUTES - 1));
    await fleet.close();
  });

function streamPair(): { network: Network; near: Duplex; far: () => Promise<Duplex> } {
  let taken: Duplex | undefined;
  const network = new Network({
    prng: new Prng("link"),
    map: {
      "broker:1883": (stream) => {
        taken = stream;
      },
    },
  });
  const near = network.streamTo("10.0.0.1", 1883) as Duplex;
  near.on("error", () => undefined);
  return {
    network,
    near,
    async far() {
      await until("the service's end", () => taken !== undefined);
      return taken as Duplex;
    },
  };
}

test("a stream inside the process carries bytes both ways and ends both ways", async () => {
  const { near, far } = streamPair();
  let connected = false;
  near.on("connect", () => {
    connected = true;
  });
  assert.is(connected, false);
  const other = await far();
  await until("connected", () => connected);
  const heard: string[] = [];
  let ended = false;
  other.on("data", (chunk) => heard.push(`far ${chunk}`));
  near.on("data", (chunk) => heard.push(`near ${chunk}`));
  near.on("end", () => {
    ended = true;
  });
  near.write("a");
  other.write("b");
  await until("both", () => heard.length === 2);
  assert.equal(heard.sort(), ["far a", "near b"]);
  other.end("last");
  await until("the end", () => ended);
  assert.ok(heard.includes("near last"));
});

for (const side of ["near", "far"] as const)
  test(`the ${side} end torn down tears the other one down`, async () => {
    const pair = streamPair();
    const ends = { near: pair.near, far: await pair.far() };
    let closed = false;
    ends[side === "near" ? "far" : "near"].on("close", () => {
      closed = true;
    });
    ends[side].destroy();
    await until("the other end's close", () => closed);
  });

test("one that is torn down before it is connected reaches nobody; no other address leads to the service", async () => {
  let taken = 0;
  const service = (): void => {
    taken += 1;
  };
  const map = { "broker:1883": service };
  const network = new Network({ prng: new Prng("link"), map });
  network.streamTo("10.0.0.1", 1883)?.destroy();
  assert.is(network.streamTo("10.0.0.1", 1884), undefined);
  assert.is(network.streamTo("10.0.0.2", 1883), undefined);
  assert.is(network.endpointOf("10.0.0.1", 1883), undefined);
  network.portal = { host: "127.0.0.1", port: 1 };
  assert.is(network.streamTo("10.0.0.1", 1883), undefined, "a captive portal takes everything");
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.is(taken, 0);
});

test.run();
