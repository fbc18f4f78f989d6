// `embedded:io/socket/tcp` on the XS engine: a name alone (sockets.ts).

export { TCP as default } from "./sockets.js";
