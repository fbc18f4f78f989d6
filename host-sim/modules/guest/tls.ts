// `embedded:io/socket/tcp/tls` on the XS engine: a name alone (sockets.ts).

export { TLSSocket as default } from "./sockets.js";
