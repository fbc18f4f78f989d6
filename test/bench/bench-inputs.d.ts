// What the image of a benchmark carries besides code: modules of literals, so that they lie in flash (tools/bench/guest.ts).
declare module "bench/inputs" {
  const inputs: unknown;
  export default inputs;
}

declare module "bench/configuration" {
  const configuration: {
    readonly startMs: number;
    readonly sampleRecords: number;
    readonly live: boolean;
    /** From this sample on it is looked at what runs. */
    readonly profiled?: number;
    readonly mote: unknown;
  };
  export default configuration;
}

declare module "bench/features" {
  import type { FeatureType } from "../../firmware/feature.js";

  export default function features(): readonly FeatureType[] | undefined;
}
