// What runs on a board besides the firmware, because the SDK's target or one of its modules brings it: set-up modules
// (run before the main module), timers and tasks.
//
// Promises: all that is found in a build's makefile is on a list below with its reason, or is a fault. Reads sources by
// their words, so a timer that is made in a way nobody knew is not found. Never: trusts a module's name.

/** The build's set-up modules that may run before the firmware: none. manifest.json leaves the SDK's out. */
const SETUP: readonly string[] = [];

/** Files of the SDK that can start a timer or a task, and why they may be in a build. */
const STARTERS: Readonly<Record<string, string>> = {
  "build/devices/esp32/lib/main/main.c": "the task that runs the firmware",
  "examples/io/tcp/mqttclient/mqttclient.js": "the firmware's MQTT client: its keep-alive, and what it tells later",
  "examples/io/tcp/tlssocket/tlssocket.js": "the firmware's TLS: reads on, once there is room",
  "examples/io/udp/dns/dns.js": "the firmware's resolver, while it asks",
  "examples/io/udp/ntp/ntp.js": "the firmware's NTP client, while it asks",
  "modules/base/timer/mc/timer.c": "what timers are made of",
  "modules/base/timer/modTimer.c": "the module timer",
  "modules/io/i2c/esp32/_i2c.c": "a task for asynchronous I2C alone, which no module of ours opens",
  "modules/io/system/system.js": "setTimeout and setInterval of a module that nothing of ours imports",
  "modules/network/sntp/sntp.js": "only where somebody makes an SNTP client; setup/network did, and is left out",
  "modules/pins/spi/esp32/modSPI.c": "only once an SPI display is opened; nothing of ours opens one",
};

const STARTS = {
  js: /\bTimer\.(repeat|set)\(|\bset(Interval|Timeout|Timer)\(/,
  c: /\b(xTaskCreate\w*|xTimerCreate\w*|gptimer_new_timer|esp_timer_create|modTimerAdd)\s*\(/,
};
/** Compiled into every image, and in no makefile of mcconfig's making. */
const ALWAYS = ["build/devices/esp32/lib/main/main.c", "build/devices/esp32/lib/debugger/debugger_none.c"];

export interface TargetReport {
  readonly faults: readonly string[];
  /** Files of the SDK that can start something, relative to the SDK. */
  readonly starters: readonly string[];
}

/**
 * @param makefile of a release build
 * @param config the module mc/config, as mcconfig wrote it
 * @param sdk the SDK's folder
 * @param read a file's text
 */
export function startedBesides(makefile: string, config: string, sdk: string, read: (path: string) => string): TargetReport {
  const faults: string[] = [];
  for (const [, name] of makefile.matchAll(/^\$\(MODULES_DIR\)\/(setup\/\S+)\.xsb:/gm))
    if (!SETUP.includes(name as string)) faults.push(`${name} runs before the firmware; manifest.json was to leave it out`);
  // A LED of the target's that changes colours by itself: a task, and a timer every 33 ms.
  if (/"rainbow":\s*true/.test(config)) faults.push("config.led.rainbow is true: manifest.json says false");
  const starters: string[] = [];
  for (const file of sourcesOf(makefile, sdk)) {
    if (!STARTS[file.endsWith(".js") ? "js" : "c"].test(withoutComments(read(`${sdk}/${file}`)))) continue;
    starters.push(file);
    if (STARTERS[file] === undefined)
      faults.push(`${file} can start a timer or a task, and test/sdk/targets.ts has no reason for it`);
  }
  return { faults, starters };
}

/** JavaScript and C of the SDK that a makefile compiles. */
function sourcesOf(makefile: string, sdk: string): readonly string[] {
  const found = new Set(ALWAYS);
  for (const [, source] of makefile.matchAll(/^\S+\.(?:xsb|o): (\S+\.(?:js|c))(?=\s|$)/gm))
    if (source?.startsWith(`${sdk}/`)) found.add(source.slice(sdk.length + 1));
  return [...found].sort();
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
}
