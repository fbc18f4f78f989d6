// docs/header-rules.md names every code by which a chain's check can refuse, and with docs/ledger.md those of proofs.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const document = readFileSync(join(root, "docs/header-rules.md"), "utf8");
const documents = document + readFileSync(join(root, "docs/ledger.md"), "utf8");

test("every code of firmware/chain and firmware/proof is in the document, and none of Bitcoin's is made up there", () => {
  const codes = new Set<string>();
  for (const folder of ["firmware/chain", "firmware/proof"])
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".ts")) continue;
      const source = readFileSync(join(root, folder, name), "utf8");
      for (const [, code] of source.matchAll(/new Rejection\(\s*"([a-z0-9-]+)"/g)) codes.add(code as string);
    }
  assert.ok(codes.size > 40, `${codes.size} codes`);
  assert.equal(
    [...codes].filter((code) => !documents.includes(`\`${code}\``)),
    [],
  );
  const bitcoin = document.slice(document.indexOf("## Bitcoin"), document.indexOf("## The follower"));
  const named = [...bitcoin.matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(([, code]) => code as string);
  assert.ok(named.length >= 17, `${named.length} in Bitcoin's tables`);
  assert.equal(
    named.filter((code) => !codes.has(code)),
    [],
  );
});

test.run();
