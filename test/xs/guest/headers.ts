// Runs on the XS engine: follows a chain whose headers its owner hands it one by one, and says every so often what the memory
// holds. test/xs/headers.ts is the other side.

import { toText } from "../../../firmware/bytes.js";
import { openChain } from "../../../firmware/chain/checkpoint.js";
import { Follower } from "../../../firmware/chain/follow/follower.js";
import { nativeEngine } from "../../../firmware/crypto/engine-native.js";
import { Rejection } from "../../../firmware/rejection.js";
import { GuestClock, GuestValues } from "../../../host-sim/xs/guest/board.js";
import { collect, MEMORY_BYTES, memory, print, request, wordOf } from "../../../host-sim/xs/guest/host.js";

const SAMPLE_HEADERS = 1_000;
const words = new Uint8Array(MEMORY_BYTES);

function sample(headers: number): void {
  memory(words);
  const peakBytes = wordOf(words, "chunksPeak") + wordOf(words, "slotsPeak") + wordOf(words, "stackPeak");
  collect();
  memory(words);
  const liveBytes = wordOf(words, "chunks") + wordOf(words, "slots");
  print(JSON.stringify({ headers, peakBytes, liveBytes }));
}

function main(): void {
  const text = toText(new Uint8Array(request(new Uint8Array(0))));
  if (text instanceof Rejection) throw new Error(text.detail);
  const consensus = openChain(nativeEngine, JSON.parse(text));
  if (consensus instanceof Rejection) throw new Error(consensus.detail);
  const follower = new Follower({ consensus, engine: nativeEngine, store: new GuestValues(), clock: new GuestClock() });
  const next = new Uint8Array(1);
  for (let headers = 1; ; headers += 1) {
    const raw = new Uint8Array(request(next));
    if (raw.length === 0) break;
    const outcome = follower.offer(raw, undefined);
    if (outcome instanceof Rejection || outcome.kind !== "advanced")
      throw new Error(outcome instanceof Rejection ? `${outcome.code}: ${outcome.detail}` : outcome.kind);
    if (headers % SAMPLE_HEADERS === 0) sample(headers);
  }
}

main();
