// What an image takes: of each partition, and of the memory that the board has for JavaScript.

import { readFileSync } from "node:fs";
import { boardOf } from "../../host-sim/boards.js";
import { count } from "../text.js";
import { staticMemory } from "./elf.js";
import type { ImageFolder } from "./image-folder.js";
import { TYPE_APP } from "./partition-table.js";

const SLOT_BYTES = 16;

export interface PartitionUse {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
  /** What is written into it; absent where nothing is. */
  readonly used?: number;
}

/** Each partition of the table, and the parts that are written. Another slot for updates has to hold the same image. */
export function partitionUses({ partitions, parts }: ImageFolder): readonly PartitionUse[] {
  return partitions.map(({ name, at, bytes }) => {
    const part = parts.find(({ offset }) => offset === at);
    return { name, at, bytes, ...(part === undefined ? {} : { used: part.bytes.length }) };
  });
}

/** @param like the board of ours with the image's chip */
export function sizeLines(images: ImageFolder, like: string): readonly string[] {
  const uses = partitionUses(images);
  const width = Math.max(...uses.map(({ name }) => name.length));
  const lines = uses.map(({ name, at, bytes, used }) => {
    const use = used === undefined ? "" : `  ${count(used)} written, ${Math.round((100 * used) / bytes)} %`;
    return `  ${name.padEnd(width)}  0x${at.toString(16).padStart(6, "0")}  ${count(bytes).padStart(9)} bytes${use}`;
  });
  return [...lines, ...smallestSlot(images), ...heapLines(images, like)];
}

/** An update has to fit the smallest slot. */
function smallestSlot({ partitions, parts }: ImageFolder): readonly string[] {
  const slots = partitions.filter(({ type }) => type === TYPE_APP);
  const app = parts.find(({ name }) => name === "app");
  const least = Math.min(...slots.map(({ bytes }) => bytes));
  if (app === undefined || slots.length < 2) return [];
  return [`  left of a slot: ${count(least - app.bytes.length)} bytes`];
}

function heapLines({ elf }: ImageFolder, like: string): readonly string[] {
  const { creation } = boardOf(like);
  const { staticBytes, chunkInitialBytes, heapInitialSlots, stackSlots, nativeStackBytes } = creation;
  const javascript =
    staticBytes > 0
      ? `one block of ${count(staticBytes)} bytes`
      : `${count(chunkInitialBytes + (heapInitialSlots + stackSlots) * SLOT_BYTES)} bytes`;
  const lines = [`  heap: JavaScript takes ${javascript}, the firmware's task a stack of ${count(nativeStackBytes)}`];
  const fixed = elf === undefined ? undefined : staticMemory(new Uint8Array(readFileSync(elf)));
  if (fixed === undefined) return lines;
  const { iram, data, bss } = fixed;
  return [
    ...lines,
    `  RAM that is taken before the heap: ${count(iram + data + bss)} bytes (code ${count(iram)}, data ${count(data)}, bss ${count(bss)})`,
  ];
}
