// The two ends of the hardware bridge in one process, without an engine between them: the guest's proxies call what C does
// on XS (host-sim/xs/src/bridge.c), and it is done here.

import { answerCall, Notices, type Operations } from "../../../host-sim/engine/bridge/bridge.js";
import { boardOperations } from "../../../host-sim/engine/bridge/operations.js";
import type { Board } from "../../../host-sim/hardware/board.js";
import type { Target } from "../../../host-sim/modules/guest/bridge.js";
import { deliver } from "../../../host-sim/modules/guest/bridge.js";
import { decodeValues, encodeValues, type Value } from "../../../host-sim/xs/wire.js";

type Native = (...parameters: unknown[]) => unknown;

const TARGET_TAG = 8;
const ERROR_TAG = 9;
const ERRORS = [Error, RangeError, TypeError];
const TARGETS_MAX = 128;

/** From now on the proxies of this process reach `board`; answers how to end that. */
export function joinBridge(board: Board): () => void {
  const notices = new Notices();
  const operations = boardOperations(board, notices);
  const targets = new Map<number, Target>();
  const functions: Record<string, Native> = {
    xs_host_call: (...parameters) => ask(operations, parameters as Value[]),
    xs_host_fill(buffer, operation, ...parameters) {
      const into = buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : (buffer as Uint8Array);
      const bytes = ask(operations, [operation as string, into.length, ...(parameters as Value[])]) as ArrayBuffer;
      if (bytes.byteLength !== into.length) throw new Error("an answer that does not fill the buffer");
      into.set(new Uint8Array(bytes));
      return into.length;
    },
    xs_host_bind(target) {
      let number = 1;
      while (targets.has(number)) number += 1;
      if (number > TARGETS_MAX) throw new RangeError("more objects wait than there is room for");
      targets.set(number, target as Target);
      return number;
    },
    xs_host_unbind: (number) => void targets.delete(number as number),
  };
  const native = (name: string) => ({
    call: (_self: unknown, ...parameters: unknown[]) => (functions[name] as Native)(...parameters),
  });
  Object.assign(globalThis, { native });
  void pass(notices, targets);
  return () => notices.stop();
}

/** Takes notices as the guest does: one after the other, each when the one before has been dealt with. */
async function pass(notices: Notices, targets: ReadonlyMap<number, Target>): Promise<void> {
  for (let notice = await notices.next(); notice !== undefined; notice = await notices.next()) {
    if (notice[0] !== TARGET_TAG) throw new Error("a notice begins with whom it is for");
    const target = targets.get(notice.readInt32LE(1));
    if (target === undefined) throw new Error("a notice for nobody");
    const [what, a, b, c, d] = decodeValues(notice.subarray(5)).map(buffered);
    deliver(target, what as string, a, b, c, d);
  }
}

function ask(operations: Operations, parameters: readonly Value[]): ReturnType<typeof buffered> {
  const viewed = parameters.map((value) => ((value as unknown) instanceof ArrayBuffer ? new Uint8Array(value as never) : value));
  const answer = answerCall(operations, encodeValues(viewed));
  const tag = answer[0] as number;
  if (tag >= ERROR_TAG) throw new (ERRORS[tag - ERROR_TAG] as ErrorConstructor)(answer.toString("utf8", 5));
  return buffered(decodeValues(answer)[0]);
}

/** Bytes reach JavaScript of the guest as an `ArrayBuffer`. */
function buffered(value: Value): Exclude<Value, Uint8Array> | ArrayBuffer {
  return value instanceof Uint8Array ? (value.slice().buffer as ArrayBuffer) : value;
}
