// The SDK's `net` on the XS engine, as far as firmware asks it: the name servers that came with the address.

import { call } from "./bridge.js";

export default Object.freeze({
  get(property: string): string | readonly string[] | undefined {
    if (property !== "DNS") return call<string | undefined>("net.get", property);
    const servers = call<string>("net.servers");
    return servers === "" ? [] : servers.split(" ");
  },
});
