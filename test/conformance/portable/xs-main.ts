// The portable suite's entry on the XS engine, under uvu, with the native engine and keys.

import "./xs-globals.js";
import inputs from "portable/inputs";
import { exec } from "uvu";
import { nativeEngine } from "../../../firmware/crypto/engine-native.js";
import { NativeKeys } from "../../../firmware/crypto/native-keys.js";
import { type PortableInputs, portableSuites } from "./suites.js";

portableSuites({ name: "native on XS", engine: nativeEngine, keys: new NativeKeys() }, inputs as PortableInputs);
exec();
