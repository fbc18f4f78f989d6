// A sample for the reference engine on XS: the crypto part of the portable suite, with noble and the software keys. It is
// slow there and needs a heap that no board has; what a board runs is xs-main.ts.

import "./xs-globals.js";
import { exec } from "uvu";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { SoftwareKeys } from "../../../firmware/crypto/software-keys.js";
import { GuestEntropy, GuestValues } from "../../../host-sim/xs/guest/board.js";
import { cryptoSuite } from "./suites.js";

const keys = new SoftwareKeys({ entropy: new GuestEntropy(), store: { open: () => new GuestValues() } });
cryptoSuite({ name: "noble on XS", engine: nobleEngine, keys });
exec();
