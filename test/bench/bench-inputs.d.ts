// The inputs as the image carries them: a module of literals, so that they lie in flash (tools/bench/xs.ts).
declare module "bench/inputs" {
  const inputs: unknown;
  export default inputs;
}
