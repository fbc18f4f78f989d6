// The application that --app names, and what a simulated board takes from its folder.
//
// Promises: what is wrong with the folder is one line before anything starts. Never: runs anything of it in this process.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Application, applicationIn } from "../../host-sim/engine/application.js";
import { readJson } from "../headers/json-file.js";
import { CommandError, plainText } from "../terminal.js";

export interface NamedApplication extends Application {
  /** `config` of its config.json, as its manifest includes that; undefined where there is none. */
  readonly config?: object;
}

/** @throws CommandError where the folder is none of an application */
export function namedApplication(folder: string): NamedApplication {
  const found = applicationIn(folder);
  if ("fault" in found) throw new CommandError(`--app ${plainText(folder, 200)}: ${found.fault}`);
  const file = join(found.folder, "config.json");
  return existsSync(file) ? { ...found, config: configIn(file) } : found;
}

/** The `config` of a part of a manifest, or of a board.json; of a file that is one itself, all of it. */
export function configIn(file: string): object {
  const json = readJson(file);
  const config = isObject(json) && "config" in json ? json.config : json;
  if (!isObject(config)) throw new CommandError(`${plainText(file, 200)}: expected an object, the configuration of a mote`);
  return config;
}

/** For the application's board.json. */
export function boardSettings({ config, parts }: NamedApplication): { readonly base?: object; readonly parts?: string } {
  return { ...(config === undefined ? {} : { base: config }), ...(parts === undefined ? {} : { parts }) };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
