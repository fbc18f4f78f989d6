// `embedded:io/socket/udp` on the XS engine: a name alone (sockets.ts).

export { UDP as default } from "./sockets.js";
