// The module `chainmote/slots` of a board: the two places of images, and the bootloader's notes of them (slots.c).

import type { ImageSlot, ImageState, Slots } from "chainmote/ports";

/** The order of slots.c. */
const STATES: readonly ImageState[] = Object.freeze(["undefined", "new", "pending", "valid", "invalid", "aborted"]);

/** @param described eight times the slot's number, and its state */
function slotOf(described: number): ImageSlot {
  return { slot: described >> 3, state: STATES[described & 7] as ImageState };
}

function describedRunning(this: unknown): number {
  return native<number>("xs_chainmote_slots_running").call(this);
}

function describedOther(this: unknown): number {
  return native<number>("xs_chainmote_slots_other").call(this);
}

/** The image that runs. */
function running(): ImageSlot {
  return slotOf(describedRunning());
}

/** The place that the next image goes to. */
function other(): ImageSlot {
  return slotOf(describedOther());
}

/** SHA-256 over the first bytes of the other slot, as the flash gives them now. Takes about half a second for an image of 1.7 MB. */
function digest(this: unknown, byteLength: number): ArrayBuffer {
  return native<ArrayBuffer>("xs_chainmote_slots_digest").call(this, byteLength);
}

/** Has this slot boot next. */
function select(this: unknown, slot: number): undefined {
  return native<undefined>("xs_chainmote_slots_select").call(this, slot);
}

/** The image that runs is kept; raises the eFuse's secure version to the image's, in a build with anti-rollback. */
function markValid(this: unknown): undefined {
  return native<undefined>("xs_chainmote_slots_valid").call(this);
}

/** The image that runs is not booted any more; it runs on until a restart. */
function rollback(this: unknown): undefined {
  return native<undefined>("xs_chainmote_slots_rollback").call(this);
}

/** The eFuse's secure version; 0 in a build without anti-rollback. */
function secureVersion(this: unknown): number {
  return native<number>("xs_chainmote_slots_version").call(this);
}

// Frozen, for what a preloaded module holds lies in flash.
const slots: Slots = Object.freeze({ running, other, digest, select, markValid, rollback, secureVersion });

export default slots;
