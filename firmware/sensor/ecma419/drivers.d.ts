// The SDK's sensor drivers are JavaScript, and have no declarations: what the adapter needs of each.

declare module "embedded:sensor/*" {
  const Driver: new (
    options: never,
  ) => {
    configure?(options: object): void;
    sample(callback?: (error: unknown, sample?: unknown) => void): unknown;
    close(): void;
  };
  export default Driver;
}
