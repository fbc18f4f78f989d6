// Mirror of `chainmote/slots`: the places of images, and what the bootloader has of them (hardware/slots.ts).

import type { Slots } from "../../firmware/ports.js";
import type { Board } from "../hardware/board.js";
import type { ChipSlots } from "../hardware/slots.js";
import { currentBoard } from "./current.js";

/** A chip whose table has no places of images runs its one image, and goes to no other. */
export function slotsFor(board: () => Board): Slots {
  const slots = (): ChipSlots => {
    const found = board().slots;
    if (found === undefined) throw new Error("no other slot");
    return found;
  };
  return Object.freeze({
    running: () => board().slots?.running() ?? { slot: 2, state: "undefined" },
    other: () => slots().other(),
    digest: (byteLength: number) => slots().digest(byteLength),
    select: (slot: number) => slots().select(slot),
    markValid: () => slots().markValid(),
    rollback: () => slots().rollback(),
    secureVersion: () => board().slots?.secureVersion() ?? 0,
  });
}

export default slotsFor(currentBoard);
