// npm run measure:tls: what the firmware's TLS takes of a board's memory, by a counting allocator on a 32-bit build.
//
// Promises: the peak of a handshake and what a session holds afterwards, for each kind of chain and each version of TLS that the
// library has; every allocation with 8 bytes of an allocator's own; and the C stack. Fails where a handshake takes more than
// `HANDSHAKE_BYTES_MAX`. The library is the one that host-sim/tls/build.ts finds: Debian's is configured for servers, so a
// board's figures come from sources that MBEDTLS names, and only those are held to the limit.

import { connect } from "node:net";
import { createServer } from "node:tls";
import { buildTls } from "../../host-sim/tls/build.js";
import { TlsProgram } from "../../host-sim/tls/engine.js";
import { issue, type KeyKind, type TestCertificate } from "../unit/host-sim/certificate.js";
import { listen } from "../unit/ports/broker.js";

interface Measured {
  readonly handshakeBytes: number;
  readonly sessionBytes: number;
  readonly stackBytes: number;
}

const HANDSHAKE_BYTES_MAX = 40 * 1024;
const HOST = "broker.example";
const NOW_S = Date.UTC(2026, 0, 1) / 1000;
const STATES = { open: 1 };
const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;

/** One handshake and one message; undefined where the library has not this version. */
async function measure(
  program: TlsProgram,
  chain: readonly TestCertificate[],
  root: TestCertificate,
  version: (typeof VERSIONS)[number],
): Promise<Measured | undefined> {
  const [leaf] = chain as [TestCertificate];
  const server = createServer({
    key: leaf.key.export({ type: "pkcs8", format: "pem" }),
    cert: chain.map(({ pem }) => pem).join(""),
    minVersion: version,
    maxVersion: version,
  });
  server.on("tlsClientError", () => undefined);
  const [host, port] = (await listen(server)).split(":") as [string, string];
  program.memory(); // from here on
  const before = program.memory().liveBytes;
  const session = program.open(root.der, HOST, NOW_S);
  if (typeof session === "string") throw new Error(session);
  const socket = connect(Number(port), host);
  const state = await new Promise<number>((resolve) => {
    const send = (): void => {
      for (let bytes = program.take(session, 4096); bytes !== undefined; bytes = program.take(session, 4096))
        socket.write(new Uint8Array(bytes));
    };
    socket.on("error", () => undefined);
    socket.on("connect", send);
    socket.on("close", () => resolve(program.status(session) & 3));
    socket.on("data", (data) => {
      for (let at = 0; at < data.length && program.room(session) > 0; ) {
        const count = Math.min(program.room(session), data.length - at);
        program.feed(session, data.subarray(at, at + count));
        at += count;
        send();
      }
      if ((program.status(session) & 3) > 0) resolve(program.status(session) & 3);
    });
  });
  const handshake = program.memory();
  const sessionBytes = handshake.liveBytes - before;
  socket.removeAllListeners("close");
  socket.destroy();
  program.close(session);
  server.close();
  if (state !== STATES.open) return undefined;
  return { handshakeBytes: handshake.peakBytes - before, sessionBytes, stackBytes: handshake.stackPeakBytes };
}

function chains(kind: KeyKind): { root: TestCertificate; chains: readonly (readonly TestCertificate[])[] } {
  const root = issue("root", { kind });
  const middle = issue("middle", { kind, issuer: root, authority: true });
  return { root, chains: [[issue(HOST, { kind, issuer: root })], [issue(HOST, { kind, issuer: middle }), middle]] };
}

async function main(): Promise<number> {
  const file = buildTls(32);
  if (typeof file !== "string") {
    console.log(`not measured: ${file.missing}`);
    return 0;
  }
  const program = new TlsProgram(file);
  console.log(`${program.version()}, ${program.memory().bits} bits`);
  // What the library keeps for ever comes with the first session, and is no part of the second.
  await measure(program, ...firstOf(chains("ec")), "TLSv1.2");
  let most = 0;
  for (const kind of ["ec", "rsa"] as KeyKind[]) {
    const { root, chains: all } = chains(kind);
    for (const chain of all)
      for (const version of VERSIONS) {
        const measured = await measure(program, chain, root, version);
        const name = `${version} ${kind === "ec" ? "ECDSA P-256" : "RSA 2048"}, ${chain.length === 1 ? "leaf" : "leaf and intermediate"}`;
        if (measured === undefined) {
          console.log(`${name}: not in this library`);
          continue;
        }
        const { handshakeBytes, sessionBytes, stackBytes } = measured;
        most = Math.max(most, handshakeBytes);
        console.log(`${name}: handshake ${handshakeBytes}, session ${sessionBytes}, C stack ${stackBytes} bytes`);
      }
  }
  console.log(`kept for ever: ${program.memory().liveBytes} bytes`);
  program.stop();
  const held = (process.env.MBEDTLS ?? "") !== "";
  console.log(held ? `at most ${HANDSHAKE_BYTES_MAX}: ${most}` : "a library for servers: not held to a board's limit");
  return held && most > HANDSHAKE_BYTES_MAX ? 1 : 0;
}

function firstOf({ root, chains: all }: ReturnType<typeof chains>): [readonly TestCertificate[], TestCertificate] {
  return [all[0] as readonly TestCertificate[], root];
}

process.exitCode = await main();
