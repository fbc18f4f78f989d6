// What every NTP port (firmware/ports.ts; the SDK's SNTP client) must do.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BoardNetwork } from "../../../firmware/ports.js";

export interface NtpWorld {
  readonly ntp: BoardNetwork["ntp"];
  /** Names of a server that answers with the true time, of one that is silent, and of one that no name server knows. */
  readonly names: { readonly good: string; readonly silent: string; readonly unknown: string };
  /** True time, in milliseconds since the Unix epoch. */
  trueMs(): number;
  /** Lets time pass, until `done` where given. */
  pass(durationMs: number, done?: () => boolean): Promise<void>;
  close(): Promise<void>;
}

interface Answer {
  readonly error: Error | null;
  readonly offMs: number;
}

export function ntpContract(title: string, make: () => Promise<NtpWorld>): void {
  const test = suite(`ntp contract: ${title}`);

  async function ask(world: NtpWorld, servers: readonly string[]): Promise<Answer[]> {
    const client = new world.ntp.client.io({ ...world.ntp.client, servers });
    const answers: Answer[] = [];
    client.getTime((error, timeMs) => answers.push({ error, offMs: (timeMs ?? Number.NaN) - world.trueMs() }));
    assert.is(answers.length, 0, "never from inside getTime");
    await world.pass(60_000, () => answers.length > 0);
    await world.pass(5000);
    client.close();
    return answers;
  }

  const cases = [
    ["a server answers", ["good"]],
    ["the first name is unknown", ["unknown", "good"]],
    ["the first server is silent", ["silent", "good"]],
  ] as const;
  for (const [what, servers] of cases)
    test(`${what}: the time comes, once, to the second`, async () => {
      const world = await make();
      const answers = await ask(
        world,
        servers.map((server) => world.names[server]),
      );
      await world.close();
      assert.is(answers.length, 1);
      assert.is(answers[0]?.error, null);
      assert.ok(Math.abs(answers[0]?.offMs as number) <= 1000, `${answers[0]?.offMs} ms off`);
    });

  test("nobody answers: an error, once", async () => {
    const world = await make();
    const answers = await ask(world, [world.names.unknown, world.names.silent]);
    await world.close();
    assert.is(answers.length, 1);
    assert.instance(answers[0]?.error, Error);
  });

  test("one question at a time; without servers there is no client", async () => {
    const world = await make();
    const client = new world.ntp.client.io({ ...world.ntp.client, servers: [world.names.good] });
    client.getTime(() => undefined);
    assert.throws(() => client.getTime(() => undefined));
    client.close();
    assert.throws(() => new world.ntp.client.io({ ...world.ntp.client, servers: [] }));
    await world.close();
  });

  test.run();
}
