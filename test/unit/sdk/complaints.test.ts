// What the SDK's check takes for a fault: lines as mcconfig, tsc, xsc, xsl and gcc have printed them.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { complaints, findSdk, listOf } from "../../sdk/sdk.js";

test("a warning or an error of any tool is a complaint", () => {
  for (const line of [
    "### Warning: no modules match: /home/a/chainmote/firmware/no-such-file",
    "### Error: directory not found: /home/a/chainmote/build/tables/",
    "### warning: firmware/board/provider: createDevice() log: not frozen",
    "firmware/board/provider.ts(8,23): error TS7016: Could not find a declaration file for module 'embedded:io/socket/tcp/tls'.",
    "# typescript compile failure: error",
    "/home/a/chainmote/firmware/crypto/native/k1.c:66:17: warning: ignoring return value [-Wunused-result]",
    "/home/a/chainmote/firmware/crypto/x.js:26: warning: cannot optimize native!",
    'ReferenceError: module "../crypto/engine-native.js" not found',
    "### warning: ssl/cache: other: not frozen",
  ])
    assert.equal(complaints(`# xsl modules\n${line}\n`), [line]);
});

test("progress, figures, and what the SDK says of its own modules are none", () => {
  const said = [
    "# xsc ssl/error.xsb",
    "# tsc warning.ts",
    "# cc k1.c.o",
    "### 2808 instances, 2756 keys, 132 colors, 0 holes",
    "/home/a/moddable/modules/io/socket/lwip/listener.js:26: warning: cannot optimize native!",
    "### warning: ssl/cache: default: not frozen",
    "### warning: ssl/cert: default.prototype.getKey() globalCerts: not frozen",
    "bash: line 1: cd: /home/a/chainmote/build/sdk/no-esp-idf: No such file or directory",
  ];
  assert.equal(complaints(said.join("\n")), []);
});

test("a list of a makefile, with its continued lines", () => {
  const makefile =
    "MODULES = /modules\nMODULES =\\\n\t$(MODULES_DIR)/a.xsb\\\n\t$(MODULES_DIR)/b/c.xsb\nPRELOADS =\\\n\t-p a.xsb\n\nB = 2\n";
  assert.equal(listOf(makefile, "MODULES"), ["$(MODULES_DIR)/a.xsb", "$(MODULES_DIR)/b/c.xsb"]);
  assert.equal(listOf(makefile, "PRELOADS"), ["-p", "a.xsb"]);
  assert.equal(listOf(makefile, "NONE"), []);
});

test("where there is no SDK, one line says so", async () => {
  assert.equal(await findSdk(""), { missing: "MODDABLE names no Moddable SDK" });
  const found = await findSdk("/no/such/folder");
  assert.ok("missing" in found);
  assert.match(found.missing, /^\/no\/such\/folder is no SDK whose tools are built: .*mcconfig$/);
});

test.run();
