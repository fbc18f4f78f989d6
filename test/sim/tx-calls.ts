// `chainmote tx` as a person calls it, on one real Ethereum node, a real broker and a real relay: each of the four calls, and what the
// chain says afterwards. What a mote cannot pay is not sent. Whoever imports it says where the firmware runs.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { concat, fromHex, toHex } from "../../firmware/bytes.js";
import { encodeEnrolment } from "../../firmware/record/enrolment.js";
import { encodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { main } from "../../tools/cli.js";
import { Account, type Contract } from "../../tools/contracts/account.js";
import { anchoredSize, deployAnchor } from "../../tools/contracts/anchor.js";
import { deployRegistry, moteOf } from "../../tools/contracts/registry.js";
import { KeyFile } from "../../tools/crypto/key-file.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { Relay } from "../../tools/relay/relay.js";
import { writeBoardFile } from "../../tools/start/board-file.js";
import { type LocalChain, openLocalChain } from "../../tools/start/local-chain.js";
import type { Output } from "../../tools/terminal.js";
import { signed, testKey } from "../unit/record/signing.js";

interface Said {
  readonly code: number;
  readonly end: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** @param engine words of the command that say where the firmware runs */
export function tryCalls(...engine: readonly string[]): void {
  const EXPIRY = 1_000_000;
  const ETHER = 10n ** 18n;
  const folder = mkdtempSync(join(tmpdir(), "chainmote-tx-"));
  const CONFIG = join(folder, "config", "board.json");
  const ENROLLER = join(folder, "enroller.key");
  const test = suite("tx");

  let chain: LocalChain;
  let broker: LocalBroker;
  let sntp: SntpServer;
  let relay: Relay;
  let account: Account;
  let registry: Contract;
  let anchor: Contract;
  /** The mote's address, 20 bytes. */
  let mote: Uint8Array;

  test.before(async () => {
    chain = await openLocalChain("clique", { directory: join(folder, "node"), periodS: 1, onEnd: () => undefined });
    await chain.ready();
    broker = await LocalBroker.start();
    sntp = await SntpServer.start();
    relay = new Relay({ rpc: chain.url, mqtt: broker.url, prefix: "", chain: chain.chain, onEvent: () => undefined });
    account = chain.payer?.account as Account;
    registry = await deployRegistry(account, account.address, new Uint8Array(20));
    anchor = await deployAnchor(account);
    await registry.send(account, "setEnroller", KeyFile.openOrCreate(ENROLLER).address, EXPIRY);
    writeBoardFile(join(folder, "config"), {
      checkpoint: await chain.checkpoint(),
      fleet: { registry: registry.address, chain: chain.chain },
      collector: new Uint8Array(20).fill(1),
      mqtt: broker.url,
      prefix: "",
      sntp: sntp.endpoint,
      sampleMs: 1_000,
      base: { ledger: { intervalMs: 2_000 } },
    });
  });

  test.after(async () => {
    await relay.close();
    await broker.close();
    await sntp.close();
    await chain.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function tx(...words: readonly string[]): Promise<Said> {
    const out: string[] = [];
    const err: string[] = [];
    const output: Output = {
      line: (text = "") => void out.push(text),
      error: (text) => void err.push(text),
      style: (_, text) => text,
    };
    const code = await main(["tx", ...words, "--config", CONFIG, "--data", join(folder, "mote"), "--json", ...engine], output);
    const events =
      code === 0
        ? ""
        : readFileSync(join(folder, "mote", "events.log"), "utf8")
            .split("\n")
            .slice(-25)
            .join("\n");
    return { code, end: JSON.parse(out[0] ?? "{}") as Said["end"], text: [...out, ...err, events].join("\n") };
  }

  async function balanceOf(address: Uint8Array): Promise<bigint> {
    return BigInt((await account.rpc.call("eth_getBalance", `0x${toHex(address)}`, "latest")) as string);
  }

  const friend = testKey("somebody who is paid").address;

  test("what it cannot pay is not sent, and it says who pays", async () => {
    const { code, end, text } = await tx("value", `0x${toHex(friend)}`, "1000");
    assert.is(code, 1, text);
    assert.is(end.state, "tx-insufficient-balance", text);
    assert.match(String(end.detail), /not sent: .*0x[0-9a-f]{40} pays/);
    mote = fromHex(String(end.mote)) as Uint8Array;
  });

  if (engine.length > 0)
    test("nor is an enrolment", async () => {
      const { code, end, text } = await tx("enrol", "--enroller", ENROLLER);
      assert.is(code, 1, text);
      assert.is(end.state, "tx-insufficient-balance", text);
    });

  test("value reaches its account", async () => {
    await account.pay(mote, ETHER);
    const { code, end, text } = await tx("value", `0x${toHex(friend)}`, String(ETHER / 4n));
    assert.is(code, 0, text);
    assert.equal([end.state, end.nonce], ["nonce-used", 0]);
    assert.is(await balanceOf(friend), ETHER / 4n);
  });

  test("enrol: the registry has it, as the enroller's voucher says", async () => {
    const { code, end, text } = await tx("enrol", "--enroller", ENROLLER, "--role", "4");
    assert.is(code, 0, text);
    assert.is(end.state, "done");
    const { status, role } = await moteOf(registry, mote);
    assert.equal([status, role], ["active", 4]);
  });

  test("report: two records by which another contradicts itself quarantine its key", async () => {
    const liar = testKey("one that contradicts itself");
    const fleet = { registry: registry.address, chain: chain.chain };
    const enroller = KeyFile.openOrCreate(ENROLLER);
    await account.pay(enroller.address, ETHER);
    const enrolment = encodeEnrolment({ counter: 1, enroller: enroller.address, expiryBlock: EXPIRY, fleet });
    await registry.send(new Account(account.rpc, enroller), "enrol", signed(liar, enrolment), 1, 0, 0);
    const record = (v: number): Uint8Array => {
      const measurements = [{ n: "temperature", u: "Cel", v }];
      const fields: RecordFields = {
        stream: 0,
        seq: 7,
        prev: new Uint8Array(32),
        boot: 1,
        time: 0,
        timeQuality: 0,
        measurements,
        fleet,
      };
      return signed(liar, encodeRecord(fields));
    };
    const file = join(folder, "pair.cborseq");
    writeFileSync(file, record(20));
    assert.match((await tx("report", file)).text, /1 records; a report takes two/);
    writeFileSync(file, concat(record(20), record(21)));
    const { code, end, text } = await tx("report", file);
    assert.is(code, 0, text);
    assert.is(end.state, "done");
    assert.is((await moteOf(registry, liar.address)).status, "quarantined");
  });

  test("anchor: the contract's slot has the mote's own root, and the next one goes on from it", async () => {
    for (const size of [1, 2, 3]) {
      const { code, end, text } = await tx("anchor", `0x${toHex(anchor.address)}`);
      assert.is(code, 0, text);
      assert.is(end.state, "done");
      assert.is(await anchoredSize(anchor, mote), size);
    }
  });

  test.run();
}
