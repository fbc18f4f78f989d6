// Numbers for Prometheus: what its own client library for Python reads, labels that are hostile, motes without end, and a server that takes
// no request but the one that it is there for.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeHealth, encodeWill } from "../../../firmware/bus/wire.js";
import { toHex } from "../../../firmware/bytes.js";
import type { CollectorEvent } from "../../../tools/collector/events.js";
import type { ShownRecord } from "../../../tools/collector/shown.js";
import { Metrics } from "../../../tools/exports/metrics.js";
import { MetricsServer } from "../../../tools/exports/metrics-server.js";
import { Metric } from "../../../tools/exports/prometheus.js";
import { pythonWith } from "../../python.js";
import { eventually } from "./eventually.js";
import { TestMote } from "./records.js";

const NOW_S = 1_800_000_100;
const mote = new TestMote();
const address = `0x${toHex(mote.address)}`;
const place = { mote: address, stream: 0, seq: 0, digest: "00".repeat(32) };
const health = { online: true, boot: 1, headNumber: 7, nextSeq: 2, pending: 12, timeS: 1, alarm: 3 };

const folder = mkdtempSync(join(tmpdir(), "chainmote-metrics-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

function write(text: string): string {
  writeFileSync(join(folder, "metrics"), text);
  return join(folder, "metrics");
}

function shown(of = mote): ShownRecord {
  const { fields, digest } = of.make();
  const flags = { verified: true, bounded: true, settled: true, anchored: false };
  return { mote: `0x${toHex(of.address)}`, digest: toHex(digest), fields, ...flags };
}

function metrics(): Metrics {
  const metrics = new Metrics({ version: '0.1.0 "\\\n', storedBefore: 40, nowMs: () => NOW_S * 1000 });
  const events: CollectorEvent[] = [
    { event: "stored", duplicate: false, ...place },
    { event: "stored", duplicate: false, ...place },
    { event: "stored", duplicate: true, ...place },
    { event: "verified", ...place },
    { event: "refused", topic: "x", code: "signature-invalid", detail: "" },
    { event: "refused", topic: "x", code: "cose-malformed", detail: "" },
    { event: "refused", topic: "x", code: "cose-malformed", detail: "" },
    { event: "gap", ...place },
    { event: "evidence", kind: "fork", a: place, b: place },
    { event: "head-foreign", number: 1, hash: "0x", detail: "", settled: true },
    { event: "lost", to: "node", reason: "", retryMs: 1 },
  ];
  for (const event of events) metrics.take(event);
  for (const seconds of [0.0002, 0.0002, 0.5, 7]) metrics.checked(seconds);
  metrics.health(`motes/${address}/health`, encodeHealth(health));
  metrics.newest(shown());
  metrics.health(`a/motes/${address}/health`, encodeHealth(health));
  assert.equal(metrics.headsWithoutTime(), [7]);
  metrics.headTime(7, NOW_S - 42);
  assert.equal(metrics.headsWithoutTime(), []);
  return metrics;
}

/** Samples by name and labels, as a plain reader sees them. */
function samplesOf(text: string): Map<string, number> {
  return new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

test("what happened is counted, and what a mote is at is told by its verified record and its health", () => {
  const samples = samplesOf(metrics().text());
  const expected: Record<string, number> = {
    chainmote_records_stored_total: 2,
    chainmote_records_duplicate_total: 1,
    chainmote_records_verified_total: 1,
    chainmote_store_records: 42,
    'chainmote_records_refused_total{code="signature-invalid"}': 1,
    'chainmote_records_refused_total{code="cose-malformed"}': 2,
    'chainmote_evidence_total{kind="fork"}': 1,
    'chainmote_heads_unconfirmed_total{state="foreign"}': 1,
    'chainmote_connection_losses_total{to="node"}': 1,
    'chainmote_record_verification_seconds_bucket{le="0.00025"}': 2,
    'chainmote_record_verification_seconds_bucket{le="1"}': 3,
    'chainmote_record_verification_seconds_bucket{le="+Inf"}': 4,
    chainmote_record_verification_seconds_count: 4,
    [`chainmote_mote_head_age_seconds{mote="${address}"}`]: 42,
    [`chainmote_mote_head_block{mote="${address}"}`]: 7,
    [`chainmote_mote_record_timestamp_seconds{mote="${address}"}`]: 1_800_000_000,
    [`chainmote_mote_journal_pending_records{mote="${address}"}`]: 12,
    [`chainmote_mote_online{mote="${address}"}`]: 1,
    [`chainmote_mote_alarm{mote="${address}"}`]: 3,
  };
  for (const [name, value] of Object.entries(expected)) assert.is(samples.get(name), value, name);
});

test("a health message tells nothing of a mote without a verified record, and what is none tells nothing at all", () => {
  const kept = metrics();
  const before = samplesOf(kept.text()).size;
  const stranger = `0x${"ab".repeat(20)}`;
  kept.health(`motes/${stranger}/health`, encodeHealth(health));
  kept.health('motes/0x"}evil/health', encodeHealth(health));
  kept.health(`motes/${address}/health`, new Uint8Array(100_000));
  kept.health(`motes/${address}/health`, encodeWill());
  const samples = samplesOf(kept.text());
  assert.is(samples.size, before);
  assert.is(samples.get(`chainmote_mote_online{mote="${address}"}`), 0);
  assert.is(samples.get(`chainmote_mote_journal_pending_records{mote="${address}"}`), 12, "the Last Will says nothing of it");
});

test("motes without end, and codes without end, make no series without end", () => {
  const kept = metrics();
  const record = shown();
  for (let i = 0; i < 1200; i += 1) kept.newest({ ...record, mote: `0x${i.toString(16).padStart(40, "0")}` });
  for (let i = 0; i < 3000; i += 1) kept.take({ event: "refused", topic: "", code: `code-${i}`, detail: "" });
  const samples = samplesOf(kept.text());
  const series = (name: string): number => [...samples.keys()].filter((key) => key.startsWith(`${name}{`)).length;
  assert.equal([series("chainmote_mote_head_block"), samples.get("chainmote_motes")], [1000, 1000]);
  assert.is(samples.get("chainmote_motes_beyond_limit_total"), 201);
  assert.is(series("chainmote_records_refused_total"), 1025);
  assert.is(samples.get('chainmote_records_refused_total{code="other"}'), 3000 - 1022);
});

const python = pythonWith("prometheus_client");
const onPython = python === undefined ? test.skip : test;
onPython("Prometheus' client library reads every line, whatever a label holds, and every name is as Prometheus has them", () => {
  const hostile = new Metric("hostile_total", "Hostile.", "counter", "code");
  const labels = ['a"b', "a\\b", "a\nb", '"} 1\nevil_total 9 #', "ü€", "\\n", "{}", "a,b=c"];
  labels.forEach((label, i) => {
    hostile.add(i + 1, label);
  });
  const program = `
import json, re, sys
from prometheus_client.parser import text_string_to_metric_families
text = sys.stdin.read() if len(sys.argv) < 2 else open(sys.argv[1], newline="").read()
families = list(text_string_to_metric_families(text))
for f in families:
    assert f.documentation and re.fullmatch(r"[a-z][a-z0-9_]*", f.name), f.name
    assert f.type in ("counter", "gauge", "histogram"), f.type
    for s in f.samples:
        assert f.type != "counter" or s.name.endswith("_total"), s.name
        assert f.type != "gauge" or not s.name.endswith(("_total", "_count", "_sum", "_bucket")), s.name
assert len({f.name for f in families}) == len(families)
print(json.dumps([[s.name, s.labels, s.value] for f in families for s in f.samples]))`;
  const result = python?.("-c", program, write(metrics().text() + hostile.text()));
  assert.is(result?.status, 0, result?.stderr);
  const samples = JSON.parse(result?.stdout ?? "") as [string, Record<string, string>, number][];
  assert.equal(
    samples.filter(([name]) => name === "hostile_total"),
    labels.map((code, i) => ["hostile_total", { code }, i + 1]),
  );
  assert.is(samples.find(([name]) => name === "chainmote_build_info")?.[1].version, '0.1.0 "\\\n');
  assert.not.ok(samples.some(([name]) => name === "evil_total"));
});

/** What comes back for the bytes of a request. */
function raw(url: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { port } = new URL(url);
    let answer = "";
    const socket = connect(Number(port), "127.0.0.1", () => socket.write(request));
    socket.on("data", (data) => {
      answer += data.toString("latin1");
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "ECONNRESET" || error.code === "EPIPE" ? resolve(answer) : reject(error),
    );
  });
}

test("the server gives its page to the machine itself, and to nobody who comes under another name", async () => {
  const server = await MetricsServer.start({ host: "127.0.0.1", port: 0 }, () => "a_total 1\n");
  try {
    const answer = await fetch(server.url);
    assert.equal([answer.status, await answer.text()], [200, "a_total 1\n"]);
    assert.match(answer.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
    const status = async (request: string): Promise<number> => Number((await raw(server.url, request)).split(" ")[1]);
    const close = "Connection: close\r\n\r\n";
    for (const [line, host, expected] of [
      ["GET /metrics HTTP/1.1", "localhost:1", 200],
      ["HEAD /metrics HTTP/1.1", "127.0.0.1", 200],
      ["GET /metrics?x=1 HTTP/1.1", "[::1]:9464", 200],
      ["GET /metrics HTTP/1.1", "evil.example", 421],
      ["GET /metrics HTTP/1.1", "127.0.0.1.evil.example:9464", 421],
      ["GET / HTTP/1.1", "localhost", 404],
      ["GET /../metrics HTTP/1.1", "localhost", 404],
      ["POST /metrics HTTP/1.1", "localhost", 405],
      ["DELETE /metrics HTTP/1.1", "localhost", 405],
    ] as const)
      assert.is(await status(`${line}\r\nHost: ${host}\r\n${close}`), expected, `${line} ${host}`);
    assert.is(await status("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"), 413);
    assert.is(
      await status("GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
      413,
    );
    assert.is(await status(`GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20_000)}\r\n\r\n`), 431);
    assert.is(await status(`GET /${"x".repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`), 431);
    assert.is(await status(`GET /metrics HTTP/1.1\r\n${close}`), 400, "without a Host");
    assert.is(await status("\x16\x03\x01\x02\x00\x01"), 400, "TLS");
    assert.is(await status("GET\r\n\r\n"), 400);
    assert.is((await fetch(server.url)).status, 200, "and goes on");
  } finally {
    await server.close();
  }
});

test("connections that say nothing are bounded in number, and hold nobody up for ever", async () => {
  const server = await MetricsServer.start({ host: "127.0.0.1", port: 0 }, () => "a_total 1\n");
  const sockets = Array.from({ length: 100 }, () => connect(Number(new URL(server.url).port), "127.0.0.1"));
  let closed = 0;
  const ended = sockets.map((socket) => {
    socket.on("error", () => undefined);
    return new Promise<void>((resolve) =>
      socket.on("close", () => {
        closed += 1;
        resolve();
      }),
    );
  });
  await eventually("all but 32 closed", () => closed >= 68);
  assert.is(closed, 68);
  sockets.forEach((socket) => {
    socket.destroy();
  });
  await Promise.all(ended);
  assert.is((await fetch(server.url)).status, 200);
  await server.close();
});

test.run();
