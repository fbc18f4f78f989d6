// Which steps the words of `npm run check:sdk` choose.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { chosenSteps } from "../../sdk/matrix.js";

const MATRIX = { images: ["firmware", "bench", "example-a", "example-b"], boards: ["esp32", "esp32c3"], others: ["x-cli-lin"] };
const chosen = (...words: string[]): string => chosenSteps(MATRIX, words).join(" ");

test("all of them without a word", () => {
  assert.is(chosenSteps(MATRIX, []).length, 1 + 4 * 2);
  assert.is(chosenSteps(MATRIX, [])[0], "x-cli-lin");
});

test("an image on every board, a board with every image, and both: each on each", () => {
  assert.is(chosen("bench"), "bench/esp32 bench/esp32c3");
  assert.is(chosen("esp32"), "firmware/esp32 bench/esp32 example-a/esp32 example-b/esp32");
  assert.is(chosen("example", "esp32c3"), "example-a/esp32c3 example-b/esp32c3");
  assert.is(
    chosen("firmware", "example-b", "esp32", "esp32c3"),
    "firmware/esp32 firmware/esp32c3 example-b/esp32 example-b/esp32c3",
  );
});

test("one step by both its names, beside others, and the step of no board", () => {
  assert.is(chosen("firmware/esp32"), "firmware/esp32");
  assert.is(chosen("firmware/esp32", "bench"), "firmware/esp32 bench/esp32 bench/esp32c3");
  assert.is(chosen("-a/esp32c3", "x-cli-lin"), "x-cli-lin example-a/esp32c3");
  assert.is(chosen("x-cli"), "x-cli-lin");
});

test("a word that chooses nothing says what there is", () => {
  for (const word of ["nothing", "nothing/esp32", "bench/esp8266", "esp32s3"])
    assert.throws(() => chosen(word), /no step .*; there are x-cli-lin, firmware, .* on esp32, esp32c3/);
});

test.run();
