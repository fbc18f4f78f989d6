// `node --import tsx test/bench/clique-side-by-side-main.ts`: prints both rates; ends with 1 where chainmote is not ahead by 2×.

import { cliqueSideBySide } from "./clique-side-by-side.js";

const AHEAD_BY = 2;

const { name, ours, theirs, against } = cliqueSideBySide();
const factor = ours / theirs;
process.stdout.write(`${name}: chainmote ${ours}/s, ${against} ${theirs}/s: ${factor.toFixed(1)} times\n`);
process.exitCode = factor >= AHEAD_BY ? 0 : 1;
