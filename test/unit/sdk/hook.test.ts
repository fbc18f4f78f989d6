// What check:sdk says where the hook before NVS is opened is none, over sources of the SDK's kind.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hookFaults } from "../../sdk/hook.js";
import { ROOT } from "../sources.js";

const manifest = JSON.parse(readFileSync(join(ROOT, "firmware/board/manifest-offline.json"), "utf8"));
/** As mcconfig writes a text that begins with no "#". */
const DEFINES = `#define MODDEF_XS_MODS 0\n#define MODDEF_STARTUP_DELAYMS ${manifest.defines.startup.delayMS}\n`;
const HOST = `void modPrelaunch(void)
{
#if defined(mxDebug) && defined(MODDEF_STARTUP_DEBUGDELAYMS)
	modDelayMilliseconds(MODDEF_STARTUP_DEBUGDELAYMS);
#elif defined(MODDEF_STARTUP_DELAYMS)
	modDelayMilliseconds(MODDEF_STARTUP_DELAYMS);
#endif
}
`;
const MAIN = `void app_main() {
	modPrelaunch();
	ESP_ERROR_CHECK(nvs_flash_init());
	setupDebugger();
	xsPreparationAndCreation(&creation);
	xTaskCreate(loop_task, "main", 1, NULL, 4, NULL);
}
`;

test("nothing where the manifest's hook is the SDK's", () => assert.equal(hookFaults(DEFINES, HOST, MAIN), []));

test("each way in which it is none", () => {
  for (const [defines, host, main, said] of [
    ["", HOST, MAIN, /no call of chainmoteBegin/],
    ["#define MODDEF_STARTUP_DELAYMS (1000)\n", HOST, MAIN, /no call of chainmoteBegin.*1000/],
    [`${DEFINES}#define MODDEF_STARTUP_RELEASEDELAYMS (10)\n`, HOST, MAIN, /RELEASEDELAYMS goes before ours/],
    [DEFINES, HOST.replace("(MODDEF_STARTUP_DELAYMS);", "(0);"), MAIN, /does not wait/],
    [DEFINES, "", MAIN, /does not wait/],
    [DEFINES, HOST, MAIN.replace("\tmodPrelaunch();\n", ""), /in this order/],
    [DEFINES, HOST, MAIN.replace("setupDebugger();", "setUp();"), /in this order/],
    [DEFINES, HOST, MAIN.replace("setupDebugger();", `setupDebugger();${"\n\tmore();".repeat(9)}`), /calls more than/],
  ] as const)
    assert.match(hookFaults(defines, host, main).join("\n"), said);
});

test.run();
