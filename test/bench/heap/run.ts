// The heap of the whole mote with the network modules of a Moddable SDK on it: the firmware from main.ts down, on the XS engine in
// an ESP32-C3's block, with the SDK's own MQTT client, resolver and NTP client as they are in the folder that MODDABLE names.
//
// Promises: the mote runs against a real broker (aedes) over real sockets, a name server, a time server, a relay and a
// collector (runtime-world.ts), with receipts, and broker losses at every state of a connection. Time is virtual: it passes
// when the guest and the broker have nothing more to do. Whatever is lost, refused or reported as an error is a fault of the run.
// Never: a copy of the SDK's files.

import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { Aedes } from "aedes";
import { toHex } from "../../../firmware/bytes.js";
import { boardOf } from "../../../host-sim/boards.js";
import { answerCall, Notices, type Operations } from "../../../host-sim/engine/bridge/bridge.js";
import { boardOperations } from "../../../host-sim/engine/bridge/operations.js";
import { FIRMWARE, LEDGER_FIRMWARE } from "../../../host-sim/engine/engines.js";
import { type Beneath, firmwareImage, gatherFirmware } from "../../../host-sim/engine/xs-image.js";
import { Board } from "../../../host-sim/hardware/board.js";
import { type BoardStorage, memoryStorage } from "../../../host-sim/hardware/storage.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { SntpServer } from "../../../host-sim/world/sntp-server.js";
import type { Built } from "../../../host-sim/xs/build.js";
import { REPOSITORY } from "../../../host-sim/xs/image.js";
import type { Creation } from "../../../host-sim/xs/presets.js";
import { type Report, runImage } from "../../../host-sim/xs/run.js";
import { encodeValues } from "../../../host-sim/xs/wire.js";
import type { RuntimeName } from "../../../tools/bench/report.js";
import { type RuntimeSample, RuntimeWorld } from "../runtime-world.js";
import { SDK_MODULES } from "./figure.js";
import { socketOperations, startNameServer } from "./sockets.js";

const GUEST = join(REPOSITORY, "test/bench/heap/guest");
const OURS: Readonly<Record<string, string>> = {
  "embedded:io/socket/tcp": join(GUEST, "tcp.ts"),
  "embedded:io/socket/udp": join(GUEST, "udp.ts"),
  "dns/parser": join(GUEST, "dns-parser.ts"),
};
const NAME_SERVER = "10.0.1.1:53";
/** Turns of the event loop without news, after which everybody waits for time to pass. */
const QUIET_TURNS = 12;
const SAMPLES = 10;
/** The connection is lost after so many records, each time in another state. */
const LOSS_RECORDS = 120;
const RECEIPTS_KEPT_MAX = 256;
const RUN_MS_MAX = 3_600_000;
const SEED = 7;
/** A message that says it is longer than what comes of it. */
const HALF_MESSAGE_BYTES = 3_000;
const HALF_MESSAGE_SENT_BYTES = 700;

export interface HeapOptions {
  /** Folder of the SDK; without one the mirrors of its modules run beside the guest, and its heap is without them. */
  readonly sdk: string | undefined;
  readonly records: number;
  /** `ledger`: Clique, and the mote is firmware/main-ledger.ts. */
  readonly chain: RuntimeName;
  readonly creation?: Creation;
  /** The board keeps its configuration, as JSON of so many bytes at least; the image has none. Absent: it is the image's, in flash. */
  readonly storedBytes?: number;
  readonly progress?: (text: string) => void;
}

export interface HeapRun {
  readonly report: Report;
  readonly samples: readonly RuntimeSample[];
  readonly records: number;
  readonly headers: number;
  /** Connections that the broker had. */
  readonly connections: number;
  readonly losses: number;
  readonly faults: readonly string[];
}

/** The broker with relay and collector behind it. */
class Peers {
  readonly world: RuntimeWorld;
  connections = 0;
  losses = 0;
  readonly #aedes: Aedes;
  readonly #server: Server;
  #socket: Socket | undefined;
  /** Receipts by the record that they are for: a record that comes again gets its own again. */
  readonly #receipts = new Map<string, Uint8Array>();
  /** The record that is being judged. */
  #receiptFor = "";
  #nextLoss = LOSS_RECORDS;
  /** So many connections are ended at once. */
  #refuse = 0;

  private constructor(aedes: Aedes, records: number, chain: RuntimeName) {
    this.#aedes = aedes;
    this.world = new RuntimeWorld(records, chain, { deliver: (topic, message) => this.#deliver(topic, message) });
    aedes.on("publish", (packet, client) => {
      if (client !== null) this.#published(packet.topic, new Uint8Array(packet.payload as Buffer));
    });
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(records: number, chain: RuntimeName): Promise<Peers> {
    const peers = new Peers(await Aedes.createBroker(), records, chain);
    peers.#server.listen(0, "127.0.0.1");
    await once(peers.#server, "listening");
    return peers;
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#socket?.destroy();
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    socket.on("error", () => undefined);
    this.connections += 1;
    if (this.#refuse > 0) {
      this.#refuse -= 1;
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    this.#socket = socket;
    this.#aedes.handle(socket);
  }

  #published(topic: string, message: Uint8Array): void {
    if (!topic.endsWith("/records")) {
      this.world.published(topic, message);
      return;
    }
    const receipt = this.#receipts.get(toHex(message));
    if (receipt !== undefined) {
      this.#publish(topic.replace(/records$/, "receipts"), receipt, false);
      return;
    }
    this.#receiptFor = toHex(message);
    this.world.published(topic, message);
    this.#publish(topic.replace(/records$/, "latest"), message, true);
    if (this.world.records >= this.#nextLoss) this.#lose();
  }

  #deliver(topic: string, message: Uint8Array): void {
    if (topic.endsWith("/receipts")) {
      this.#receipts.set(this.#receiptFor, message);
      if (this.#receipts.size > RECEIPTS_KEPT_MAX) this.#receipts.delete(this.#receipts.keys().next().value as string);
    }
    this.#publish(topic, message, topic.endsWith("/head"));
  }

  #publish(topic: string, message: Uint8Array, retain: boolean): void {
    const packet = { cmd: "publish", topic, payload: Buffer.from(message), qos: 1, retain, dup: false } as const;
    this.#aedes.publish(packet, () => undefined);
  }

  /** The next loss: at once, in the middle of a message, or at once and again while the mote connects. */
  #lose(): void {
    const socket = this.#socket;
    this.#nextLoss += LOSS_RECORDS;
    const kind = this.losses % 3;
    this.losses += 1;
    if (kind === 1) {
      const half = Buffer.alloc(HALF_MESSAGE_SENT_BYTES);
      half.set([0x30, 0x80 | (HALF_MESSAGE_BYTES & 0x7f), HALF_MESSAGE_BYTES >> 7, 0, 4]);
      half.write("half", 5);
      socket?.write(half);
    }
    if (kind === 2) this.#refuse = 2;
    setImmediate(() => setImmediate(() => socket?.destroy()));
  }
}

/** Runs the mote until `records` records have their receipts and as many headers are verified. */
export async function runHeap(built: Built, options: HeapOptions): Promise<HeapRun> {
  const { sdk, records, chain, storedBytes, creation = creationOf(options.chain), progress } = options;
  const peers = await Peers.start(records, chain);
  const { world } = peers;
  const clock = new VirtualClock(world.startMs);
  const time = await SntpServer.start({ epochMs: () => clock.epochMs() });
  const names = await startNameServer((host) => board.network.addressOf(host));
  const network = {
    "broker:1883": peers.endpoint,
    "time:123": time.endpoint,
    [NAME_SERVER]: `127.0.0.1:${names.address().port}`,
  };
  const storage = memoryStorage();
  if (storedBytes !== undefined) keepConfiguration(storage, world.mote, storedBytes);
  const config = storedBytes === undefined ? world.mote : {};
  const board: Board = new Board({ storage, config, clock, network });
  const notices = new Notices();
  const operations: Operations = { ...boardOperations(board, notices), ...socketOperations(board, notices) };
  const firmware = chain === "ledger" ? LEDGER_FIRMWARE : FIRMWARE;
  const image = firmwareImage(await gatherFirmware(firmware, "native", beneath(sdk)), board.config, creation, built.target, {
    keysInGuest: true,
    seed: SEED,
  });
  let text = "";
  let sampled = 0;
  const sampleRecords = Math.max(1, Math.floor(records / SAMPLES));
  try {
    const report = await runImage(built, image, {
      timeoutMs: RUN_MS_MAX,
      call: (message) => answerCall(operations, message),
      async notice() {
        if (world.records >= sampled + sampleRecords) {
          sampled = world.records;
          progress?.(`${chain}: ${sampled} of ${records} records`);
          return encodeValues([undefined, sampled]);
        }
        if (world.over && sampled >= records) return undefined;
        await until(clock, notices);
        return notices.next();
      },
      trace(part) {
        text += part;
        const lines = text.split("\n");
        text = lines.pop() as string;
        for (const line of lines) if (line.startsWith("{")) world.line(line);
      },
      line: (line) => world.line(line),
    });
    const faults = [...world.faults];
    const lacking = world.faultAtEnd();
    if (lacking !== undefined) faults.push(lacking);
    if (report.code !== 0) faults.unshift(`it ended with "${report.reason}" after ${world.records} records`);
    const { samples, headers } = world;
    const { connections, losses } = peers;
    return { report, samples, records: world.records, headers, connections, losses, faults };
  } finally {
    board.stop();
    await peers.close();
    await time.close();
    names.close();
  }
}

/** The memory that the mote of such a run has on an ESP32-C3. */
export function creationOf(chain: RuntimeName): Creation {
  const { creation, ledgerCreation } = boardOf("esp32c3");
  return chain === "ledger" ? ledgerCreation : creation;
}

/** As firmware/provision/stored.ts leaves it: copy `a` counts. What fills it up is read and let go, as a certificate's digits are. */
function keepConfiguration({ nvs }: BoardStorage, mote: object, bytes: number): void {
  const plain = JSON.stringify({ ...mote, health: { ...(mote as { health?: object }).health, note: "" } });
  const text = plain.replace('"note":""', `"note":"${"x".repeat(Math.max(0, bytes - plain.length))}"`);
  nvs.set("config", "a", new TextEncoder().encode(text));
  nvs.set("config", "state", Uint8Array.of(1, 1, 0, 0, 0, 0));
}

/** The SDK's modules and sockets for them, beneath the firmware. */
function beneath(sdk: string | undefined): Beneath {
  const deliver = "test/bench/heap/guest/deliver";
  if (sdk === undefined) return { modules: {}, deliver };
  const theirs = Object.entries(SDK_MODULES).map(([specifier, file]) => [specifier, join(sdk, file)] as const);
  return { modules: { ...Object.fromEntries(theirs), ...OURS }, deliver };
}

/** Until there is a notice: the machine's sockets have their turn, then time passes to what is due next. */
async function until(clock: VirtualClock, notices: Notices): Promise<void> {
  for (;;) {
    for (let turns = 0; turns < QUIET_TURNS && notices.waiting === 0; turns += 1) await turn();
    if (notices.waiting > 0) return;
    const { untilNextMs } = clock;
    if (untilNextMs === undefined) throw new Error("nothing is due any more");
    await clock.advance(untilNextMs, 0);
  }
}
