// The hardware checklist (docs/hardware-checklist.md): each of its items, and what a report says of it.
//
// Promises: the same items in the same order as the page has them. "Not seen" is said only where the board itself has shown the contrary;
// whatever a report has no way to see, or has not waited for, is "cannot say".

import { BOARDS, TABLE_AT } from "../../host-sim/boards.js";
import { count } from "../terminal.js";
import type { Evidence, PortKind } from "./evidence.js";

export type State = "seen" | "not seen" | "cannot say";
export type Verdict = readonly [state: State, why: string];

export interface Item {
  readonly id: string;
  readonly title: string;
  judge(seen: Evidence): Verdict;
}

export interface Judged {
  readonly id: string;
  readonly title: string;
  readonly state: State;
  readonly why: string;
}

const yes = (why: string): Verdict => ["seen", why];
const no = (why: string): Verdict => ["not seen", why];
const open = (why: string): Verdict => ["cannot say", why];

/** docs/boards.md, "Budget per board": what Wi-Fi and TLS are thought to take at most, and TLS's record in one piece. */
const WIFI_BYTES = 60_000;
const TLS_BYTES = 36_750;
const TLS_PIECE_BYTES = 16_384;

/** What an eye, a meter or another machine sees. */
function byHand(id: string, title: string): Item {
  return { id, title, judge: () => open("a person sees it, and says so by --seen") };
}

/** The first event of that name shows it. */
function event(id: string, title: string, name: string, state?: string): Item {
  const key = state === undefined ? name : `${name} ${state}`;
  return {
    id,
    title,
    judge({ firstMs }) {
      const ms = firstMs[key];
      return ms === undefined ? open(`no line "${key}" came in this time`) : yes(`"${key}" after ${seconds(ms)}`);
    },
  };
}

/** The cause of this start. */
function cause(id: string, title: string, ...causes: readonly string[]): Item {
  return {
    id,
    title,
    judge({ start }) {
      if (start === undefined) return open("no start was seen");
      return causes.includes(start.reset) ? yes(start.reset) : open(`this start was another one: ${start.reset}`);
    },
  };
}

/** What is locked: by the firmware's own word, else by the ROM's. */
function locked(id: string, title: string, firmware: (seen: Evidence) => boolean | undefined): Item {
  return {
    id,
    title,
    judge(seen) {
      const is = firmware(seen);
      if (is === undefined) return open("neither the firmware nor the ROM has told");
      return is ? yes("on") : no("off");
    },
  };
}

function port(id: string, title: string, kind: PortKind, has: (seen: Evidence) => boolean, none: string): Item {
  return {
    id,
    title,
    judge(seen) {
      if (seen.port !== kind)
        return open(seen.port === "unknown" ? "what kind of port it is is not known" : "this was the other port");
      return has(seen) ? yes("over this port") : open(none);
    },
  };
}

const answers = (seen: Evidence): boolean => "configured" in seen.provisioning;
const speaks = (seen: Evidence): boolean => Object.keys(seen.events).length > 0;

export const CHECKLIST: readonly Item[] = [
  {
    id: "image",
    title: "an image is linked by Espressif's compiler, and fits",
    judge: ({ start }) => (start === undefined ? open("no start was seen") : yes(`firmware ${start.firmware} starts`)),
  },
  {
    id: "flash-size",
    title: "the flash is as large as its board's table wants",
    judge({ seen }) {
      if (seen === undefined) return open("the ROM was not heard");
      const least = Math.min(...BOARDS.filter(({ chip }) => isChip(seen.chip, chip.name)).map(({ flash }) => flash.bytes));
      const said = `${count(seen.flashBytes)} bytes`;
      return seen.flashBytes >= least ? yes(said) : no(said);
    },
  },
  {
    id: "flashed",
    title: "the image is written over the cable, verified, and started by the control lines",
    judge({ seen, start }) {
      if (seen === undefined || start === undefined) return open("the ROM or a start was not seen");
      return yes("the ROM answered, and the reset from here started the firmware");
    },
  },
  {
    id: "partitions",
    title: "the partition table lies where it belongs",
    judge({ seen }) {
      if (seen === undefined) return open("the ROM was not heard");
      if (seen.flashEncryption !== "off") return open("the flash is encrypted");
      const { partitions } = seen;
      const at = `0x${TABLE_AT.toString(16)}`;
      if (partitions === undefined) return no(`there is no whole table at ${at}`);
      const is = (names: readonly { name: string; at: number; bytes: number }[]): string =>
        names.map((one) => `${one.name} ${one.at} ${one.bytes}`).join();
      const board = BOARDS.find(({ chip, flash }) => isChip(seen.chip, chip.name) && is(flash.partitions) === is(partitions));
      return board === undefined ? no(`the table at ${at} is none of this version`) : yes(`that of ${board.name}`);
    },
  },
  byHand("web-flash", "a browser flashes it"),
  byHand("emulator", "the same image stores five records in Espressif's QEMU"),

  port("console-uart", "the log comes over UART 0", "uart", speaks, "nothing came"),
  port("console-usb", "the log comes over the chip's own USB port", "usb", speaks, "nothing came"),
  event("start", "the firmware's first line comes", "start"),
  {
    id: "nvs",
    title: "NVS is looked at and opened before the SDK does",
    judge({ start }) {
      if (start === undefined) return open("no start was seen");
      return start.nvs === "open" ? yes("open") : no(start.nvs);
    },
  },
  {
    id: "slot",
    title: "the slot that runs, and what the bootloader has noted of it, are told",
    judge({ start }) {
      if (start?.slot === undefined) return open("no start with a slot was seen");
      return yes(`slot ${start.slot}, ${start.image}`);
    },
  },
  {
    id: "memory-start",
    title: "beside JavaScript's block there is room for Wi-Fi and TLS",
    judge({ start }) {
      if (start?.freeBytes === undefined) return open("the board has not told its heap");
      const said = `${count(start.freeBytes)} bytes free, ${count(Number(start.largestBytes))} in one piece`;
      const fits = start.freeBytes >= WIFI_BYTES + TLS_BYTES && Number(start.largestBytes) >= TLS_PIECE_BYTES;
      return fits ? yes(said) : no(said);
    },
  },

  port("provision-uart", "a board is provisioned over UART 0", "uart", answers, "the board listens to nobody now"),
  port("provision-usb", "a board is provisioned over USB", "usb", answers, "the board listens to nobody now"),
  {
    id: "entropy",
    title: "the noise passes its health tests, and a key is made",
    judge({ keyMade, states }) {
      if (keyMade === undefined)
        return open(states.wifi === undefined ? "no key was seen yet" : "the radio is on, and no key was seen yet");
      return yes(keyMade ? "made in this time" : "made before");
    },
  },
  {
    id: "kept",
    title: "a configuration is kept once the broker was reached",
    judge({ provisioning, ...seen }) {
      if (seen.states.configuration?.includes("kept") === true) return yes("kept in this time");
      if (!("configured" in provisioning)) return open("the board listens to nobody now");
      return provisioning.configured ? yes("it has one") : open("it has none yet");
    },
  },
  {
    id: "button",
    title: "the button, held for 5 s, opens a board that has a configuration",
    judge({ provisioning }) {
      if (!("configured" in provisioning)) return open("the board listens to nobody now");
      return provisioning.configured ? yes("it has a configuration, and answers") : open("it has no configuration yet");
    },
  },
  byHand("improv", "a browser gives it the Wi-Fi, by Improv"),
  event("factory-reset", "a factory reset is done to its end", "configuration", "resetting"),

  event("wifi", "the Wi-Fi is joined", "wifi", "up"),
  event("time", "time servers answer", "time"),
  event("broker", "the broker is reached", "link", "up"),
  byHand("tls", "TLS by the chip's accelerators"),
  {
    id: "memory-online",
    title: "with Wi-Fi and the broker there is heap left",
    judge({ memory }) {
      if (memory === undefined) return open("no line of memory came in this time");
      const said = `${count(memory.leastBytes)} bytes at the least, ${count(memory.largestBytes)} in one piece now`;
      return memory.largestBytes >= TLS_PIECE_BYTES ? yes(said) : no(said);
    },
  },
  event("head", "a header is verified", "head"),
  event("record", "a record is measured, signed and kept", "record"),
  event("stored", "a record is stored, its receipt holds", "stored"),
  byHand("wifi-lost", "the Wi-Fi goes and comes, and nothing is lost"),

  cause("power-on", "a start with the power is told as one", "power-on"),
  cause("brown-out", "too little voltage is told as a brown-out", "brown-out"),
  cause("watchdog", "a hanging task is ended by a watchdog, and told", "task-watchdog", "interrupt-watchdog", "watchdog"),
  cause("crash", "a crash is told as a panic, and shows no register", "panic"),
  {
    id: "safe-mode",
    title: "five abnormal resets within ten minutes end in safe mode",
    judge({ safeMode }) {
      if (safeMode === undefined) return open("the board is not in safe mode");
      return safeMode.cause === "resets" ? yes(`${safeMode.resets} resets`) : open(`it is for another cause: ${safeMode.cause}`);
    },
  },
  byHand("power-cuts", "the journal lives through the plug pulled a hundred times"),

  event("update", "an update proves itself and stays", "update", "valid"),
  event("rollback", "an image that does not prove itself goes back", "update", "rolled-back"),
  byHand("update-cut", "the plug pulled in the middle of an update"),

  locked("secure-boot", "secure boot is on", ({ start, seen }) => start?.secureBoot ?? seen?.secureBoot),
  locked("flash-encryption", "flash encryption is on, in release mode", ({ start, seen }) =>
    is(start?.flashEncryption ?? seen?.flashEncryption, "release"),
  ),
  locked("nvs-encryption", "NVS is encrypted", ({ start }) => start?.nvsEncryption),
  {
    id: "download-locked",
    title: "the ROM's download is locked",
    judge({ rom, start, seen }) {
      if (seen !== undefined) return no("the ROM answers");
      const isLocked =
        start?.profile === "production" && start.secureBoot && "why" in rom && rom.why.startsWith("no ESP32's bootloader");
      return isLocked ? yes("its reset works, and its ROM does not answer") : open("why" in rom ? rom.why : "");
    },
  },
  byHand("jtag", "JTAG is off"),
  {
    id: "sealed-key",
    title: "a production image makes its key, on a locked chip alone",
    judge({ start, keyMade }) {
      if (start?.profile !== "production") return open("the image is of the profile dev");
      if (keyMade === undefined) return open("no key was seen yet");
      const isLocked = start.secureBoot && start.flashEncryption === "release" && start.nvsEncryption;
      return isLocked ? yes("a key, all three locks on") : no("a key, and a lock is off");
    },
  },
  byHand("secure-version", "an update raises the eFuse's secure version once it has proven itself"),

  {
    id: "sign-time",
    title: "how long the chip takes to sign and to verify",
    judge({ bench }) {
      const cases = Object.entries(bench).filter(([name]) => /sign|verify|recover/i.test(name));
      if (cases.length === 0) return open("this is not the bench firmware");
      return yes(cases.map(([name, ns]) => `${name} ${(ns / 1e6).toFixed(2)} ms`).join(", "));
    },
  },
  byHand("sign-timing", "the time of a signature does not follow the key"),
  {
    id: "first-record",
    title: "how long it takes from the reset to the first record that is stored",
    judge: ({ firstMs }) => (firstMs.stored === undefined ? open("none was stored in this time") : yes(seconds(firstMs.stored))),
  },
  {
    id: "sleep-wake",
    title: "a board that sleeps deeply wakes, and goes on",
    judge({ resets }) {
      const wakes = resets.filter((one) => one === "deep sleep").length;
      return wakes === 0 ? open("no wake was seen in this time") : yes(`${wakes} wakes`);
    },
  },
  byHand("sleep-current", "what current a board takes asleep, and in each part of a record"),
  byHand("sleep-clock", "how far the clock of deep sleep runs away in an hour"),
];

export const ITEMS: readonly string[] = CHECKLIST.map(({ id }) => id);

/** @param byHand items that a person has seen */
export function judgeAll(seen: Evidence, byHand: readonly string[]): readonly Judged[] {
  return CHECKLIST.map((item) => {
    const { id, title } = item;
    const [state, why] = item.judge(seen);
    if (state === "cannot say" && byHand.includes(id)) return { id, title, state: "seen", why: "by hand" };
    if (seen.simulated && state !== "cannot say")
      return { id, title, state: "cannot say", why: `${state} on a simulated board, which shows nothing of a chip: ${why}` };
    return { id, title, state, why };
  });
}

/** Undefined stays what it is. */
function is<T>(value: T | undefined, wanted: T): boolean | undefined {
  return value === undefined ? undefined : value === wanted;
}

/** esptool writes ESP32-C3 where ESP-IDF writes esp32c3. */
function isChip(shown: string, target: string): boolean {
  return shown.toLowerCase().replace("-", "") === target;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
