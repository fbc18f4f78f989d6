// The chip itself: why it started, who it is, what its eFuses say, and whether its NVS could be opened.
//
// Promises: what a test or board.json does not say is what a new chip has: nothing burnt, an image of the profile dev. NVS is open exactly
// where nothing speaks against it: what lies in the storage (key-value.ts) and what is asked for here.

import { createHash } from "node:crypto";
import type { Chip, MemoryLeft, ResetReason, Security, StorageFault } from "../../firmware/ports.js";

export interface ChipOptions extends Partial<Security> {
  readonly profile?: "dev" | "production";
  /** 12 hexadecimal digits; made from the seed where absent. */
  readonly mac?: string;
  /** A fault of NVS that the storage itself does not show. */
  readonly nvs?: StorageFault;
  /** Absent: not known. */
  readonly memory?: MemoryLeft;
}

const MAC_BYTES = 6;
/** Locally administered, of one station. */
const MAC_LOCAL = 0x02;

export class SimulatedChip implements Chip {
  readonly #options: ChipOptions;
  readonly #reason: ResetReason;
  readonly #fault: StorageFault | undefined;
  readonly #mac: Uint8Array;

  /** @param fault what the storage itself shows */
  constructor(options: ChipOptions, reason: ResetReason, seed: string, fault: StorageFault | undefined) {
    const { mac } = options;
    if (mac !== undefined && !/^[0-9a-f]{12}$/.test(mac))
      throw new RangeError(`chip.mac: ${mac}, expected 12 hexadecimal digits`);
    this.#options = options;
    this.#reason = reason;
    this.#fault = options.nvs ?? fault;
    const drawn = createHash("sha256").update(`mac ${seed}`).digest().subarray(0, MAC_BYTES);
    drawn[0] = ((drawn[0] as number) & 0xfc) | MAC_LOCAL;
    this.#mac = new Uint8Array(mac === undefined ? drawn : Buffer.from(mac, "hex"));
  }

  resetReason(): ResetReason {
    return this.#reason;
  }

  mac(): Uint8Array {
    return this.#mac.slice();
  }

  profile(): "dev" | "production" {
    return this.#options.profile ?? "dev";
  }

  security(): Security {
    const { secureBoot = false, flashEncryption = "off", nvsEncryption = false } = this.#options;
    return { secureBoot, flashEncryption, nvsEncryption: nvsEncryption && this.storage() === undefined };
  }

  storage(): StorageFault | undefined {
    return this.#fault;
  }

  memory(): MemoryLeft | undefined {
    return this.#options.memory;
  }
}
