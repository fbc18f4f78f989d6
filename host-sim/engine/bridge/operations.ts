// All that a guest may ask of its board.

import type { Board } from "../../hardware/board.js";
import type { Notices, Operations } from "./bridge.js";
import { chipOperations } from "./chip.js";
import { i2cOperations, timeOperations } from "./io.js";
import { mqttOperations, ntpOperations, wifiOperations } from "./network.js";
import { pinOperations } from "./pins.js";
import { serialOperations } from "./serial.js";
import { storageOperations } from "./storage.js";
import { tlsOperations } from "./tls.js";

export function boardOperations(board: Board, notices: Notices): Operations {
  return {
    ...chipOperations(board),
    ...storageOperations(board),
    ...timeOperations(board, notices),
    ...i2cOperations(board),
    ...pinOperations(board, notices),
    ...serialOperations(board, notices),
    ...wifiOperations(board, notices),
    ...ntpOperations(board, notices),
    ...mqttOperations(board, notices),
    ...tlsOperations(),
  };
}
