// `embedded:network/dns/resolver/udp` on the XS engine: a name alone (sockets.ts).

export { Resolver as default } from "./sockets.js";
