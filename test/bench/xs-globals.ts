// The globals that tinybench names and XS has not: what it is built on (EventTarget, Event), and a clock that it is given
// anyway. Its events are not used here, so none is delivered. Imported before tinybench, and preloaded with it.

import { microseconds } from "../../host-sim/xs/guest/host.js";

class NoTarget {
  addEventListener(): void {}

  removeEventListener(): void {}

  dispatchEvent(): boolean {
    return true;
  }
}

class NamedEvent {
  readonly type: string;

  constructor(type: string) {
    this.type = type;
  }
}

const US_PER_MS = 1000;

Object.assign(globalThis, {
  EventTarget: NoTarget,
  Event: NamedEvent,
  performance: { now: () => microseconds() / US_PER_MS },
});
