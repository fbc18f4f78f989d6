// `embedded:provider/builtin` on the XS engine: what the board is wired to.

import { call } from "./bridge.js";
import I2C from "./i2c.js";

export default Object.freeze({
  I2C: Object.freeze({
    get default() {
      return { io: I2C, data: call<number>("i2c.data"), clock: call<number>("i2c.clock") };
    },
  }),
  io: Object.freeze({ I2C }),
  pin: Object.freeze({}),
});
