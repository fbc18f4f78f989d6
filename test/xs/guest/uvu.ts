// What the contracts of test/unit/ports need of uvu, for a guest: suites that run one after the other, a line for each test.

import { print } from "../../../host-sim/xs/guest/host.js";

type Body<Context> = (context: Context) => unknown;

interface Case {
  readonly title: string;
  run(): Promise<void>;
}

const cases: Case[] = [];

export function suite<Context>(title: string) {
  const own: Case[] = [];
  const context = {} as Context;
  const test = (name: string, body: Body<Context>): void => {
    own.push({
      title: `${title}: ${name}`,
      async run() {
        await body(context);
      },
    });
  };
  return Object.assign(test, { run: () => void cases.push(...own) });
}

/** Runs every suite whose `run` was called. A line is JSON: the test's title, and its error where it failed. */
export async function runSuites(): Promise<void> {
  for (const { title, run } of cases) {
    try {
      await run();
      print(JSON.stringify({ title }));
    } catch (error) {
      print(JSON.stringify({ title, error: String(error) }));
    }
  }
}
