// Whether an image fits its slot (`ota_0`, `ota_1`).
//
// Promises: an image that is let through fits signed, too: signing pads it to 64 KiB and adds a sector of signatures; 64 KiB more are left,
// so that a release that grew can still be replaced. Never: looks into an image.

import { type BoardKind, partitionBytes, SLOTS } from "../../host-sim/boards.js";

const PADDED_TO_BYTES = 0x10000;

/** Bytes of an image before it is signed. */
export function imageBytesMax(board: BoardKind): number {
  return partitionBytes(board, SLOTS[0]) - 2 * PADDED_TO_BYTES;
}

/** Why an image of so many bytes may not be written to a board, or undefined. */
export function imageFault(board: BoardKind, bytes: number): string | undefined {
  const most = imageBytesMax(board);
  if (bytes <= most) return undefined;
  const over = (bytes - most).toLocaleString("en-US");
  return `the image has ${bytes.toLocaleString("en-US")} bytes, ${over} more than a slot of ${board.label} takes: leave chains or features out of the manifest (docs/boards.md, "Size of an image"), or take a board with more flash`;
}
