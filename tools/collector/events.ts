// What a collector tells of what it does.

import { toHex } from "../../firmware/bytes.js";
import type { AnchorEvent } from "./anchoring.js";
import type { HeadEvent } from "./head-watch.js";
import type { Place } from "./place.js";
import type { QuarantineEvent } from "./quarantine-watch.js";
import type { Evidence } from "./store.js";

export interface PlaceText {
  readonly mote: string;
  readonly stream: number;
  readonly seq: number;
  readonly digest: string;
}

export function placeText(place: Place): PlaceText {
  return { mote: `0x${toHex(place.address)}`, stream: place.stream, seq: place.seq, digest: toHex(place.digest) };
}

export type CollectorEvent =
  | HeadEvent
  | AnchorEvent
  | QuarantineEvent
  | { readonly event: "connected" }
  | { readonly event: "lost"; readonly to: "broker" | "store"; readonly reason: string; readonly retryMs: number }
  | { readonly event: "refused"; readonly topic: string; readonly code: string; readonly detail: string }
  | ({ readonly event: "stored"; readonly duplicate: boolean } & PlaceText)
  /** Linked although the record before it is missing: from there on the mote's chain is whole. */
  | ({ readonly event: "gap" } & PlaceText)
  /** The missing record has come after all. */
  | ({ readonly event: "gap-closed" } & PlaceText)
  | { readonly event: "evidence"; readonly kind: Evidence["kind"]; readonly a: PlaceText; readonly b: PlaceText };
