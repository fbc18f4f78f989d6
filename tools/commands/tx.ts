// chainmote tx: one simulated mote by itself makes one call on its chain, and finds what became of it by proof.

import { join, resolve } from "node:path";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { enrolmentTopicsOf } from "../../firmware/ledger/enrolling.js";
import { digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { encodeVoucher } from "../../firmware/record/enrolment.js";
import { Rejection } from "../../firmware/rejection.js";
import { LEDGER_FIRMWARE } from "../../host-sim/engine/engines.js";
import { LEDGER_ON_NODE, spawnBoard } from "../../host-sim/engine/node.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { engine } from "../crypto/engine.js";
import { KeyFile } from "../crypto/key-file.js";
import { keepToOwner, makeFolder, writeWhole } from "../files.js";
import { BrokerLink } from "../mqtt/link.js";
import { readWords, type Words } from "../options.js";
import { pause } from "../processes/backoff.js";
import { BoundedLog } from "../processes/bounded-log.js";
import { untilTold } from "../processes/end.js";
import { acquireLock, LockHeld } from "../processes/lock.js";
import { FEES, LEDGER_MS, seedOf } from "../start/board-file.js";
import { builtEngine, engineWish } from "../start/engine-choice.js";
import { Screen, type SystemEvent } from "../start/screen.js";
import { CommandError, type Output, plainText, UsageError } from "../terminal.js";
import { type InputKind, readInput } from "../verify/input.js";
import { pieces } from "../verify/sequence.js";
import { boardFile, type Configured, configured, DEFAULT_DATA, type Json, LOCK_WAIT_MS } from "./board.js";

const TIMEOUT_S = 600;

export const usage = `chainmote tx ACTION [VALUES] --config FILE [--data DIR] [--mqtt URL] [--engine NAME] [--board NAME] [--json] [--verbose]

Has one simulated mote make one call with its own key, as a board would: by a relay, with what it needs to know proven to it. It ends
with the state that the mote has proven (docs/ledger.md, "Transactions"). The mote's address pays.

  value TO WEI     sends wei to an account without code
  enrol            enters the fleet's registry with a voucher, which --enroller FILE signs: the key of an enroller
  report FILE      reports the two records in a file (a CBOR sequence) by which a mote contradicts itself
  anchor CONTRACT  anchors the root of the mote's own tree, with its newest record as one leaf more

  --config FILE    the mote's configuration, as for chainmote board; "ledger": {"fees": …} bounds what it pays
  --data DIR       the board's flash and its key (default .chainmote/board, the mote of chainmote board)
  --enroller FILE  of enrol: the enroller's key (64 hexadecimal digits); --role N is what the mote is enrolled as (default 1)
  --mqtt URL, --ca FILE   the broker in place of the configuration's (or MQTT_URL, MQTT_CA)
  --engine NAME, --board NAME, --crypto NAME   where the firmware runs, as for chainmote start
  --timeout S      how long to wait for the end (default ${TIMEOUT_S})
  --json           the end as one object
  --verbose        every event of the mote

Exit code: 0 where it is done (of a value: where its nonce is used, which is all that a mote proves of it), 1 where it ended otherwise,
was not sent or has no end in time, 2 for a mistake in the command line. What has no end goes on with the mote's next start; the next
chainmote tx waits for that end alone and sends nothing, so that nothing is done twice.

Examples:
  chainmote tx value 0x893de31f904b73e99550792d5e6152991046081f 1000000000000000 --config board.json
  chainmote tx enrol --enroller .chainmote/keys/enroller.key --config .chainmote/boards/1/board.json --data .chainmote/mine
  chainmote tx report pair.cborseq --config board.json --json`;

const PAIR: InputKind = { name: "a file of two records", is: "a CBOR sequence of two COSE_Sign1 items" };
const ADDRESS_BYTES = 20;
const ROLE_MAX = 255;
const WEI_DIGITS_MAX = 28;
const VOUCHER_MS = 2_000;
/** So long a mote that has caught up refuses a voucher that it cannot pay for, before that is an answer. */
const POOR_MS = 20_000;
const POOR = "tx-insufficient-balance";
const SOURCE = "mote";
const ENDS = ["done", "reverted", "replaced", "without-effect", "nonce-used"];
/** What is over once a mote's voucher or call is refused so. */
const FINAL = /^(voucher-(foreign|unusable)|tx-(gas|too-long|fee-limit))$/;

interface Action {
  readonly name: string;
  /** As the mote's configuration has it (firmware/ledger/single-call.ts). */
  readonly call: Json;
  readonly enroller?: KeyFile;
  readonly role: number;
}

/** How it ended: a state of the call, or why it was not sent. */
interface End {
  readonly state: string;
  readonly nonce?: number;
  readonly detail?: string;
}

export function read(words: readonly string[]): Words {
  return readWords(
    words,
    {
      config: { type: "string" },
      data: { type: "string" },
      enroller: { type: "string" },
      role: { type: "string" },
      mqtt: { type: "string" },
      ca: { type: "string" },
      engine: { type: "string" },
      board: { type: "string" },
      crypto: { type: "string" },
      timeout: { type: "string" },
      json: { type: "boolean" },
      verbose: { type: "boolean" },
    },
    3,
  );
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const action = actionOf(options);
  const timeoutS = options.number("timeout", 1, 86_400) ?? TIMEOUT_S;
  engineWish(options);
  const given = configured(options);
  const directory = resolve(options.text("data") ?? DEFAULT_DATA);
  keepToOwner();
  makeFolder(directory);
  const lock = await acquireLock(join(directory, "board.lock"), LOCK_WAIT_MS).catch((error: unknown) => {
    throw error instanceof LockHeld ? new CommandError(`${error.message}, which has to end first`) : error;
  });
  const sntp = await SntpServer.start();
  try {
    const isJson = options.has("json");
    const quiet: Output = { ...output, line: () => undefined };
    const screen = new Screen(isJson ? quiet : output, new BoundedLog(join(directory, "events.log")), {
      ...{ json: false, verbose: options.has("verbose") },
    });
    const call = new SimulatedCall({ action, given, directory, options, screen, sntp: sntp.endpoint });
    const end = await call.end(timeoutS);
    if (isJson) output.line(JSON.stringify({ action: action.name, mote: call.mote, ...end, ok: call.isGood(end) }));
    else output.line(endLine(end, call, output));
    return call.isGood(end) ? 0 : 1;
  } finally {
    await sntp.close();
    lock.release();
  }
}

function endLine({ state, nonce, detail }: End, call: SimulatedCall, output: Output): string {
  const whose = nonce === undefined ? "" : `, nonce ${nonce} of ${call.mote}`;
  const good = call.isGood({ state });
  return `${output.style(good ? "green" : "red", state)}${whose}${detail === undefined ? "" : `: ${plainText(detail, 400)}`}`;
}

function actionOf(options: Words): Action {
  const [name, first, second, more] = options.others;
  const most = name === "value" ? 2 : name === "enrol" ? 0 : 1;
  const surplus = [first, second, more][most];
  const role = options.number("role", 0, ROLE_MAX) ?? 1;
  const call = callOf(name, first, second);
  if (surplus !== undefined) throw new UsageError(`unexpected word "${plainText(surplus, 60)}"`);
  const enroller = options.text("enroller");
  if (name !== "enrol") return { name: name as string, call, role };
  if (enroller === undefined) throw new UsageError("enrol: --enroller FILE is missing, the enroller's key");
  return { name, call, role, enroller: KeyFile.open(enroller, "--enroller") };
}

function callOf(name: string | undefined, first: string | undefined, second: string | undefined): Json {
  if (name === undefined) throw new UsageError("the action is missing: value, enrol, report or anchor");
  switch (name) {
    case "value":
      return { kind: "value", to: addressIn("value: TO", first), wei: weiIn(second) };
    case "enrol":
      return { kind: "enrolment" };
    case "report":
      return { kind: "report", records: recordsIn(first) };
    case "anchor":
      return { kind: "anchor", contract: addressIn("anchor: CONTRACT", first) };
    default:
      throw new UsageError(`there is no action "${plainText(name, 40)}": value, enrol, report, anchor`);
  }
}

function addressIn(what: string, text: string | undefined): string {
  if (text === undefined) throw new UsageError(`${what} is missing`);
  const address = fromHex(text);
  if (address instanceof Uint8Array && address.length === ADDRESS_BYTES) return `0x${toHex(address)}`;
  throw new UsageError(`${what} is 0x and 40 digits, not "${plainText(text, 60)}"`);
}

function weiIn(text: string | undefined): string {
  if (text === undefined || !/^\d+$/.test(text) || text.length > WEI_DIGITS_MAX)
    throw new UsageError(`value: WEI is a whole number of at most ${WEI_DIGITS_MAX} digits`);
  return `0x${BigInt(text).toString(16)}`;
}

function recordsIn(path: string | undefined): readonly string[] {
  const name = plainText(path ?? "", 200);
  const items = [...pieces(readInput(path, PAIR))];
  for (const { parts } of items)
    if (parts instanceof Rejection) throw new CommandError(`${name}: ${parts.detail} (${parts.code})`);
  if (items.length !== 2) throw new CommandError(`${name}: ${items.length} records; a report takes two`);
  return items.map(({ bytes }) => `0x${toHex(bytes)}`);
}

interface CallOptions {
  readonly action: Action;
  readonly given: Configured;
  readonly directory: string;
  readonly options: Words;
  readonly screen: Screen;
  /** `host:port` of the time server. */
  readonly sntp: string;
}

/** The mote and its one call. */
class SimulatedCall {
  readonly #options: CallOptions;
  /** Its address, once it has said so. */
  mote = "";
  #ended: (end: End) => void = () => undefined;
  /** Calls end that an earlier start has left. */
  #earlier = false;
  #usedElsewhere = false;
  /** Why the mote has not sent it yet. */
  #refusal = "";
  /** Since when a mote that has caught up has too little for its enrolment; not a number before. */
  #poorMs = Number.NaN;
  #link: BrokerLink | undefined;
  readonly #over = new AbortController();
  /** Where names lead from the simulated board. */
  #network: Readonly<Record<string, string>> = {};
  #offered = false;

  constructor(options: CallOptions) {
    this.#options = options;
  }

  /** Whether the call that was asked for is done. A value has no effect that could be proven: its used nonce is its end. */
  isGood({ state }: End): boolean {
    const isValue = this.#options.action.name === "value";
    return (
      !this.#earlier && (state === "done" || state === "active" || (isValue && state === "nonce-used" && !this.#usedElsewhere))
    );
  }

  /** Runs the mote until the call has its end. */
  async end(timeoutS: number): Promise<End> {
    const { directory, options, screen, given } = this.#options;
    this.#write();
    const told = untilTold();
    let stopped = false;
    void told.then(() => {
      stopped = true;
    });
    const say = (text: string): void => screen.show("engine", { event: "building", text });
    const guest = await builtEngine(engineWish(options), say, () => stopped, LEDGER_FIRMWARE);
    const ended = new Promise<End>((done) => {
      this.#ended = done;
    });
    const board = spawnBoard({
      ...{ directory, reset: "power-on" },
      ...(guest === undefined ? { firmware: LEDGER_ON_NODE } : { engine: guest }),
      onEvent: (event) => this.#event(event as SystemEvent),
      onText: (text) => screen.show(SOURCE, { event: "text", text }),
    });
    const unended = "it may be under way: the mote goes on with it at its next start";
    const { config } = given;
    const reason = (): string => {
      const why = this.#refusal === "" ? "" : ` It said: ${this.#refusal}.`;
      return `no end in ${timeoutS} s; ${unended}.${why} Is a relay for ${config.fleet.chain} at the broker ${config.mqtt.host}?`;
    };
    try {
      return await Promise.race([
        ended,
        pause(timeoutS * 1_000, this.#over.signal).then(() => ({ state: "no-end", detail: reason() })),
        told.then(() => ({ state: "no-end", detail: unended })),
        board.exited.then((code) => ({
          state: "no-end",
          detail: `the simulated board ended with exit code ${code}; ${unended}`,
        })),
      ]);
    } finally {
      this.#over.abort();
      await board.stop();
      await this.#link?.close();
    }
  }

  #write(): void {
    const { action, given, directory, sntp, options } = this.#options;
    const { ledger } = given.config.given as { readonly ledger?: Json };
    // It enters the registry where that is what it is to do.
    const { enroller: _enroller, ...own } = ledger ?? {};
    const enroller = action.enroller === undefined ? {} : { enroller: `0x${toHex(action.enroller.address)}` };
    const call = { fees: FEES, intervalMs: LEDGER_MS, ...own, ...enroller, call: action.call };
    const config = { ...given.config, given: { ...given.config.given, ledger: call } };
    const path = join(directory, "board.json");
    const wish = engineWish(options);
    const crypto = wish.engine === "node" && wish.crypto === "noble" ? { crypto: "noble" } : {};
    const { seed: _seed, ...json } = given.json;
    const content = { ...boardFile(json, config, sntp), ...crypto, seed: seedOf(path) };
    this.#network = (content as { readonly network?: Readonly<Record<string, string>> }).network ?? {};
    writeWhole(path, `${JSON.stringify(content, null, 2)}\n`, "owner");
  }

  #event(event: SystemEvent): void {
    if (this.#over.signal.aborted) return;
    this.#options.screen.show(SOURCE, event);
    const text = (name: string): string => String(event[name] ?? "");
    switch (event.event) {
      case "key":
        this.mote = text("address").toLowerCase();
        return;
      case "head":
        if (Number(event.verified) > 1) this.#poorMs = Number.NaN; // it catches up: what it knows of its account is old
        return;
      case "alarm":
        if (event.alarm === "key-used-elsewhere") this.#usedElsewhere = true;
        return;
      case "error":
        this.#error(text("what"), text("code"), text("detail"));
        return;
      case "refused":
        if (event.what === "voucher" || event.what === "call") this.#refusal = `${text("detail")} (${text("code")})`;
        if (this.#options.action.enroller !== undefined && event.code === POOR) this.#poor(text("detail"));
        if (event.what === "voucher" && FINAL.test(text("code"))) this.#notSent(text("code"), text("detail"));
        return;
      case "enrolment":
        if (event.state === "offered") void this.#vouch(Number(event.counter), Number(event.expiryBlock));
        return;
      case "registry":
        // It had its place before, and so sends nothing.
        if (this.#options.action.enroller !== undefined && event.status === "active" && !this.#offered)
          this.#ended({ state: "active", detail: "the mote has its place in the registry" });
        return;
      case "transaction":
        if (ENDS.includes(text("state"))) this.#told(text("state"), Number(event.nonce));
        return;
    }
  }

  #error(what: string, code: string, detail: string): void {
    if (what === "start") this.#ended({ state: code, detail });
    if (what !== "call") return;
    if (code !== "tx-busy") this.#notSent(code, detail);
    else {
      this.#earlier = true;
      this.#options.screen.hint("a call of an earlier start is under way: its end is waited for, and nothing else is sent");
    }
  }

  #poor(detail: string): void {
    const nowMs = performance.now();
    if (Number.isNaN(this.#poorMs)) this.#poorMs = nowMs;
    if (nowMs - this.#poorMs >= POOR_MS) this.#notSent(POOR, detail);
  }

  #notSent(code: string, detail: string): void {
    const advice = code === POOR ? `; ${this.mote} pays: send it what it needs` : "";
    this.#ended({ state: code, detail: `not sent: ${detail}${advice}` });
  }

  #told(state: string, nonce: number): void {
    const detail = this.#earlier ? "a call of an earlier start; what is asked for now was not sent: call again" : undefined;
    this.#ended({ state, nonce, ...(detail === undefined ? {} : { detail }) });
  }

  /** Signs a voucher for what the mote offers, and sends it until the mote is done: it is not retained. */
  async #vouch(counter: number, expiryBlock: number): Promise<void> {
    const { action, given } = this.#options;
    const { enroller, role } = action;
    const mote = fromHex(this.mote);
    if (this.#offered || enroller === undefined || !(mote instanceof Uint8Array)) return;
    this.#offered = true;
    const { fleet } = given.config;
    const payload = encodeVoucher({ counter, mote, role, expiryBlock, policyId: 0, firmwareId: 0, fleet });
    const message = encodeSign1(enroller.address, payload, enroller.sign(digestOf(engine, enroller.address, payload)));
    const link = new BrokerLink({
      ...this.#brokerOf(given),
      ...{ role: "enroller", subscriptions: [], onMessage: () => undefined, onFault: () => undefined },
    });
    this.#link = link;
    while (!this.#over.signal.aborted) {
      await link.publish(enrolmentTopicsOf(given.config.mqtt.prefix, mote).voucher, message, { qos: 1 });
      await pause(VOUCHER_MS, this.#over.signal);
    }
  }

  /** As the simulated board reaches it. */
  #brokerOf({ config }: Configured): { readonly url: string; readonly ca?: string } {
    const { host, port, user, password, ca } = config.mqtt;
    const [place = ""] = [this.#network[`${host}:${port}`]];
    const login = user === undefined ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(password ?? "")}@`;
    return { url: `${ca === undefined ? "mqtt" : "mqtts"}://${login}${place}`, ...(ca === undefined ? {} : { ca: pemOf(ca) }) };
  }
}

function pemOf(der: Uint8Array): string {
  const lines = Buffer.from(der).toString("base64").replace(/.{64}/g, "$&\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
