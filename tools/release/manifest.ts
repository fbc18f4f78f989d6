// The manifest of a release, out of an image and what its author says of it (docs/update.md).
//
// Promises: an image that the board's bootloader would refuse, that does not fit its slot, or whose secure version is another
// than the one that is to be burnt, is refused here, in words, before anything is signed. Never: asks the eFuse of any board;
// each board compares its own.

import { digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import {
  encodeRelease,
  IMAGE_BYTES_MAX,
  IMAGE_BYTES_MIN,
  PROFILES,
  type Release,
  SEQUENCE_MAX,
} from "../../firmware/update/release.js";
import { type BoardKind, boardOf } from "../../host-sim/boards.js";
import { CHIP_IDS, readImage } from "../../host-sim/hardware/esp-image.js";
import { engine } from "../crypto/engine.js";
import type { KeyFile } from "../crypto/key-file.js";
import { CommandError, count } from "../terminal.js";

/** Steps of the eFuse's secure version. */
const STEPS_ESP32 = 32;
const STEPS_OTHERS = 16;

export interface ReleaseOptions {
  readonly image: Uint8Array;
  /** Name of the board. */
  readonly board: string;
  readonly profile: "dev" | "production";
  /** 1 to 2^32 − 1. */
  readonly sequence: number;
  readonly burnVersion: number | undefined;
  readonly fleet: Release["fleet"];
}

export interface SignedRelease {
  readonly release: Release;
  /** Version in the image's description. */
  readonly version: string;
  readonly secureVersion: number;
  readonly message: Uint8Array;
}

/** Throws a `CommandError` where the image will not do. */
export function signRelease(options: ReleaseOptions, key: KeyFile): SignedRelease {
  const { image, board, sequence, burnVersion, fleet, profile } = options;
  if (sequence < 1 || sequence > SEQUENCE_MAX) throw new CommandError(`a sequence from 1 to ${SEQUENCE_MAX} is wanted`);
  if (image.length < IMAGE_BYTES_MIN || image.length > IMAGE_BYTES_MAX)
    throw new CommandError(`an image of ${count(image.length)} bytes; one has ${IMAGE_BYTES_MIN} to ${count(IMAGE_BYTES_MAX)}`);
  const kind = boardOf(board);
  const read = readImage(image);
  if ("fault" in read) throw new CommandError(`the image would not boot: ${read.fault}`);
  if (read.chip !== CHIP_IDS[kind.chip.name])
    throw new CommandError(`the image is for another chip: ${chipNamed(read.chip)}; ${kind.label} has ${kind.chip.name}`);
  const slot = slotBytes(kind);
  if (slot !== undefined && image.length > slot)
    throw new CommandError(`the image has ${count(image.length)} bytes; a slot of ${kind.label} has ${count(slot)}`);
  checkBurn(kind, read.secureVersion, burnVersion);
  const release = {
    ...{ sequence, digest: engine.sha256(image), size: image.length, boardClass: board },
    ...{ profile: PROFILES.indexOf(profile) + 1, secureVersion: burnVersion, fleet },
  };
  const payload = encodeRelease(release);
  const message = encodeSign1(key.address, payload, key.sign(digestOf(engine, key.address, payload)));
  return { release, version: read.version, secureVersion: read.secureVersion, message };
}

function checkBurn(kind: BoardKind, found: number, wanted: number | undefined): void {
  if (wanted === undefined) return;
  const steps = kind.chip.name === "esp32" ? STEPS_ESP32 : STEPS_OTHERS;
  if (wanted > steps) throw new CommandError(`--burn-version ${wanted}: the eFuse of ${kind.label} has ${steps} steps`);
  if (found !== wanted)
    throw new CommandError(
      `--burn-version ${wanted}: the image was built with the secure version ${found} (CONFIG_BOOTLOADER_APP_SECURE_VERSION)`,
    );
}

/** Bytes of a slot; undefined where the board's table has none. */
function slotBytes({ flash }: BoardKind): number | undefined {
  return flash.partitions.find(({ subtype }) => subtype === "ota_0")?.bytes;
}

function chipNamed(chip: number): string {
  return Object.entries(CHIP_IDS).find(([, id]) => id === chip)?.[0] ?? `chip ${chip}`;
}
