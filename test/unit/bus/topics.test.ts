// The topics, spelt out.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { requestTopic, topicsOf } from "../../../firmware/bus/topics.js";

const MOTE = new Uint8Array(20).fill(0xab);

test("topics carry the prefix, the address in lower case with 0x, and the chain", () => {
  assert.equal(topicsOf("site/a/", MOTE, "eip155:1337"), {
    records: `site/a/motes/0x${"ab".repeat(20)}/records`,
    latest: `site/a/motes/0x${"ab".repeat(20)}/latest`,
    receipts: `site/a/motes/0x${"ab".repeat(20)}/receipts`,
    replies: `site/a/motes/0x${"ab".repeat(20)}/replies`,
    health: `site/a/motes/0x${"ab".repeat(20)}/health`,
    head: "site/a/chains/eip155:1337/head",
    requests: "site/a/chains/eip155:1337/requests",
  });
  assert.is(topicsOf("", new Uint8Array(20), "eip155:1").records, `motes/0x${"00".repeat(20)}/records`);
});

test("a relay that is named is asked on a topic of its own, whoever listens on the common one", () => {
  const topics = topicsOf("", MOTE, "eip155:1");
  assert.is(requestTopic(topics, ""), "chains/eip155:1/requests");
  assert.is(requestTopic(topics, "north"), "chains/eip155:1/requests/north");
});

test.run();
