// Preloaded into the Ethereum node: whatever it listens on, it listens on 127.0.0.1 only.
//
// @ethereumjs/client binds its devp2p (TCP) and discovery (UDP) ports to 0.0.0.0 and has no option for it.
// Never: changes a port number, or what the node sends.

import dgram from "node:dgram";
import net from "node:net";

const LOOPBACK = "127.0.0.1";

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...options) {
  if (typeof options[0] === "number") return listen.call(this, options[0], LOOPBACK, ...options.slice(2));
  throw new Error("a server of the Ethereum node listens on something that is no port");
};

const bind = dgram.Socket.prototype.bind;
dgram.Socket.prototype.bind = function (...options) {
  if (typeof options[0] === "number") return bind.call(this, options[0], LOOPBACK, ...options.slice(2));
  throw new Error("a socket of the Ethereum node binds to something that is no port");
};
