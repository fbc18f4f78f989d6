// The tools check signatures by the engine that simulated boards run on (host-sim/crypto/engine-fast.ts).

export { fastEngine } from "../../host-sim/crypto/engine-fast.js";
