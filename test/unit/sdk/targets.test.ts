// What check:sdk takes for something that runs besides the firmware, on makefiles and sources as the SDK has them.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { startedBesides } from "../../sdk/targets.js";

const SDK = "/home/a/moddable";
const CONFIG = 'export default Object.freeze({\n\t"led": {\n\t"pin": 8,\n\t"rainbow": false\n},\n}, true);';
const MAKEFILE = [
  "MODULES =\\",
  "\t$(MODULES_DIR)/timer.xsb\\",
  `$(MODULES_DIR)/timer.xsb: ${SDK}/modules/base/timer/timer.js`,
  `$(TMP_DIR)/modTimer.c.o: ${SDK}/modules/base/timer/modTimer.c $(HEADERS) | $(TMP_DIR)/mc.xs.c`,
  "$(MODULES_DIR)/firmware/mote.xsb: $(TMP_DIR)/tsc/firmware/mote.js",
].join("\n");

const SOURCES: Readonly<Record<string, string>> = {
  "build/devices/esp32/lib/main/main.c": 'xTaskCreate(loop_task, "main", 4096, NULL, 4, NULL);',
  "modules/base/timer/modTimer.c": "timer = modTimerAdd(interval, repeat, xs_timer_callback, &ts, sizeof(ts));",
};
const read =
  (more: Readonly<Record<string, string>> = {}) =>
  (path: string): string =>
    ({ ...SOURCES, ...more })[path.slice(SDK.length + 1)] ?? "";

test("what is on the list is no fault, and is told", () => {
  const { faults, starters } = startedBesides(MAKEFILE, CONFIG, SDK, read());
  assert.equal(faults, []);
  assert.equal(starters, ["build/devices/esp32/lib/main/main.c", "modules/base/timer/modTimer.c"]);
});

test("a set-up module is a fault, whatever it does", () => {
  for (const name of ["setup/target", "setup/network", "setup/piu"]) {
    const makefile = `${MAKEFILE}\n$(MODULES_DIR)/${name}.xsb: ${SDK}/build/devices/esp32/${name}.js`;
    assert.match(startedBesides(makefile, CONFIG, SDK, read()).faults.join(), `${name} runs before the firmware`);
  }
});

test("a LED that changes colours by itself is a fault", () => {
  const rainbow = CONFIG.replace("false", "true");
  assert.match(startedBesides(MAKEFILE, rainbow, SDK, read()).faults.join(), "config.led.rainbow");
});

test("a file that can start a timer or a task, and is not on the list, is a fault; one that only speaks of it is none", () => {
  const found = (file: string, text: string): string => {
    const rule = file.endsWith(".js") ? `$(MODULES_DIR)/x.xsb: ${SDK}/${file}` : `$(TMP_DIR)/x.c.o: ${SDK}/${file} $(HEADERS)`;
    return startedBesides(`${MAKEFILE}\n${rule}`, CONFIG, SDK, read({ [file]: text })).faults.join();
  };
  const neopixel = 'xTaskCreatePinnedToCore(displayTask, "neoPixelDispayTask", 3072, px, 2, &task, 0);';
  assert.match(found("modules/drivers/neopixel/esp32/neopixel.c", neopixel), "neopixel.c can start");
  assert.match(found("modules/x.c", "esp_timer_create(&args, &timer);"), "modules/x.c can start");
  assert.match(found("modules/x.js", "Timer.repeat(() => led.update(), 33);"), "modules/x.js can start");
  assert.match(found("modules/x.js", "System.setTimer(() => 1, 5);"), "modules/x.js can start");
  assert.is(found("modules/x.js", "// Timer.repeat(…) is the caller's\n/* Timer.set(\n1) */ Timer.clear(this.timer);"), "");
});

test.run();
