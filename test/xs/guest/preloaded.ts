// Runs on the XS engine: follows the chains of the SDK's proof, and prints a line for each header.

import input from "proof/input";
import { nativeEngine } from "../../../firmware/crypto/engine-native.js";
import { print } from "../../../host-sim/xs/guest/host.js";
import { follow } from "../../sdk/program/proof.js";

for (const chain of input.chains) for (const line of follow(nativeEngine, chain)) print(line);
