// The hook by which NVS is looked at before the SDK opens it (firmware/board/native/chip-esp32.c): the SDK's own delay at the start.
//
// Promises: what an image's definitions and the SDK's sources say otherwise is a fault: a hook that silently is none would let NVS erase a key.

const HOOK = "chainmoteBegin()";

/**
 * @param defines the image's definitions, as mcconfig wrote them
 * @param host the SDK's source that has modPrelaunch
 * @param main the SDK's source that has app_main
 */
export function hookFaults(defines: string, host: string, main: string): readonly string[] {
  const faults: string[] = [];
  const own = /^#define MODDEF_STARTUP_DELAYMS (.*)$/m.exec(defines)?.[1] ?? "";
  if (!own.includes(HOOK)) faults.push(`the image's start-up delay is no call of ${HOOK}: ${own}`);
  for (const name of ["DEBUGDELAYMS", "RELEASEDELAYMS"])
    if (defines.includes(`MODDEF_STARTUP_${name} `)) faults.push(`MODDEF_STARTUP_${name} goes before ours`);
  const prelaunch = /void modPrelaunch\(void\)\s*\{([\s\S]*?)^\}/m.exec(host)?.[1] ?? "";
  if (!/modDelayMilliseconds\(MODDEF_STARTUP_DELAYMS\)/.test(prelaunch))
    faults.push("the SDK's modPrelaunch does not wait for MODDEF_STARTUP_DELAYMS");
  const body = /void app_main\(\)\s*\{([\s\S]*?)^\}/m.exec(main)?.[1] ?? "";
  const order = ["modPrelaunch()", "nvs_flash_init()", "setupDebugger()", "xsPreparationAndCreation(", "xTaskCreate(loop_task"];
  const places = order.map((call) => body.indexOf(call));
  if (places.some((place, i) => place < 0 || place < (places[i - 1] ?? 0)))
    faults.push(
      `the SDK's app_main does not call, in this order, ${order.join(", ")}: chip-esp32.c does what comes after the second`,
    );
  if ((body.match(/^\t\w.*\);$/gm) ?? []).length > EXPECTED_CALLS)
    faults.push("the SDK's app_main calls more than chip-esp32.c does in its place");
  return faults;
}

/** modPrelaunch, three levels of the log, nvs_flash_init, one for Bluetooth, setupDebugger, the preparation, the task. */
const EXPECTED_CALLS = 9;
