// Made for each run by preloaded.test.ts.
declare module "proof/input" {
  const input: import("../../sdk/program/proof.js").ProofInput;
  export default input;
}
