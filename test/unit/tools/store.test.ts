// The collector's tables on PGlite, in memory.

import { openPglite } from "../../../tools/collector/database.js";
import { storeSuite } from "./store-suite.js";

storeSuite("PGlite", () => openPglite(), process.env.FULL === "1" ? 4000 : 1000);
