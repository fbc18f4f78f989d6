// The inputs as the image carries them (test/xs/portable.test.ts).
declare module "portable/inputs" {
  const inputs: unknown;
  export default inputs;
}
