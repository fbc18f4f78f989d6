// What the source files of this repository are, what each exports and what each takes from which other: read from their text, for the
// tests that look for what nobody uses. No program is run and no type is computed; what it cannot read counts as used.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

export interface SourceFile {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
  /** Without comments. */
  readonly code: string;
}

/** What stands in a folder of sources and is none. */
const MADE = /(^|\/)(node_modules|build|dist|\.git|\.chainmote)(\/|$)/;

/** Every file of the repository, from the root: those under version control, and new ones that are not ignored; without git, what is there. */
export function trackedFiles(): string[] {
  const options = { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 26 } as const;
  const { status, stdout } = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], options);
  const listed = status === 0 ? stdout.split("\0") : readdirSync(ROOT, { recursive: true, encoding: "utf8" });
  return listed.filter(
    (path) => path !== "" && !MADE.test(path) && statSync(join(ROOT, path), { throwIfNoEntry: false })?.isFile() === true,
  );
}

const STRING = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`/.source;
const PATTERN = /(?<=(?:^|[(,=:[!&|?{};])\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//.source;
const COMMENT = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/.source;

/** The text without its comments; strings and regular expressions stay. */
export function withoutComments(text: string): string {
  return text.replace(new RegExp(`(${STRING}|${PATTERN})|${COMMENT}`, "gm"), (_, kept?: string) => kept ?? "");
}

export function sourceFiles(): SourceFile[] {
  return trackedFiles()
    .filter((path) => /\.(ts|mjs|js)$/.test(path))
    .map((path) => {
      const text = readFileSync(join(ROOT, path), "utf8");
      return { path, text, code: withoutComments(text) };
    });
}

/** Names in braces: `a, type b, c as d` gives [a, b, c], or with `outer` [a, b, d]. */
function listed(braces: string, outer = false): string[] {
  return braces
    .split(",")
    .map((item) => item.trim().replace(/^type\s+/, ""))
    .filter((item) => item !== "")
    .map((item) => (outer ? item.replace(/^.*\sas\s+/, "") : item.replace(/\sas\s+.*$/, "")));
}

/** The names that a file exports, "default" among them. */
export function exportsOf(code: string): string[] {
  const declared = code.matchAll(
    /^export\s+(?:declare\s+)?(default\s+)?(?:async\s+)?(?:abstract\s+)?(?:class|const|let|function\s*\*?|interface|type|enum)\s+(\w+)/gm,
  );
  const taken = code.matchAll(/^export\s+(?:type\s+)?(?:const\s+)?\{([^}]*)\}/gm);
  return [
    ...new Set([
      ...[...declared].map(([, standard, name]) => (standard === undefined ? (name as string) : "default")),
      ...[...taken].flatMap(([, braces]) => listed(braces as string, true)),
      ...(/^export\s+default\b/m.test(code) ? ["default"] : []),
    ]),
  ];
}

/** What a file takes from elsewhere: a module's specifier and names of it; "*" is all of them. */
export function takes(code: string): { readonly specifier: string; readonly names: readonly string[] }[] {
  const found: { specifier: string; names: string[] }[] = [];
  for (const [, clause, specifier] of code.matchAll(
    /^\s*(?:import|export)\s+(?:type\s+)?([\w*{][^"';]*?)\s*\bfrom\s*"([^"]+)"/gm,
  )) {
    const text = clause as string;
    const space = /\*\s+as\s+(\w+)/.exec(text)?.[1];
    const braces = /\{([^}]*)\}/.exec(text)?.[1];
    const names = braces === undefined ? [] : listed(braces);
    if (/^\w/.test(text)) names.push("default");
    if (text.startsWith("*") && space === undefined) names.push("*");
    if (space !== undefined) {
      names.push(...[...code.matchAll(new RegExp(`\\b${space}\\.(\\w+)`, "g"))].map((match) => match[1] as string));
      if (new RegExp(`\\b${space}\\b(?!\\.| from)`).test(code)) names.push("*");
    }
    found.push({ specifier: specifier as string, names });
  }
  for (const [, specifier] of code.matchAll(/^\s*import\s+"([^"]+)"/gm))
    found.push({ specifier: specifier as string, names: [] });
  // Taken while running: any name that the file says at all may be one that it takes.
  for (const [, specifier] of code.matchAll(/\bimport\(\s*"([^"]+)"/g))
    found.push({ specifier: specifier as string, names: [...new Set(code.match(/\b\w+\b/g))] });
  return found;
}

const json = (path: string) => JSON.parse(readFileSync(join(ROOT, path), "utf8"));

/** The path pieces that a file says in strings, without what leads up to them and without ending: "./a/b.ts" gives "a/b". */
export function saysPaths(code: string): Set<string> {
  const strings = code.matchAll(/"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|`((?:[^`\\]|\\.)*)`/g);
  const pieces = [...strings].flatMap(([, a, b, c]) => (a ?? b ?? c ?? "").split(/[\s,;=${}()]+/));
  return new Set(
    pieces
      .filter((piece) => /[-/]|\.[cm]?[jt]s$/.test(piece))
      .map((piece) => piece.replace(/^(\.*\/)+/, "").replace(/\.[cm]?[jt]s$/, "")),
  );
}

/** Module names that are no paths, and the files that stand for each: of simulated boards, of real ones, and of the package. */
function moduleNames(): Map<string, string[]> {
  const names = new Map<string, string[]>();
  const add = (name: string, path: string) => names.set(name, [...(names.get(name) ?? []), path]);
  for (const [name, places] of Object.entries(json("host-sim/modules/table.json") as Record<string, Record<string, string>>))
    for (const place of Object.values(places)) add(name, join("host-sim/modules", place));
  for (const [name, places] of Object.entries(json("firmware/tsconfig.json").compilerOptions.paths as Record<string, string[]>))
    if (!name.includes("*")) for (const place of places) add(name, join("firmware", place));
  for (const [name, place] of Object.entries(json("package.json").exports as Record<string, { default?: string }>)) {
    const path = place.default?.replace(/^\.\/dist\//, "").replace(/\.js$/, ".ts");
    if (path !== undefined && !path.includes("*")) add(join("chainmote", name), path);
  }
  return names;
}

/** Files of the firmware in whose place a manifest can put others: those others, by the file. */
function standIns(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const path of trackedFiles().filter((name) => /(^|\/)manifest[^/]*\.json$/.test(name)))
    for (const [name, places] of Object.entries((json(path).modules ?? {}) as Record<string, string | string[]>)) {
      if (name === "~" || name.includes("*") || !name.startsWith("chainmote/")) continue;
      const own = `${name.replace("chainmote", "firmware")}.ts`;
      for (const place of [places].flat()) {
        const file = `${join(path, "..", place)}.ts`;
        if (file !== own) found.set(own, [...(found.get(own) ?? []), file]);
      }
    }
  return found;
}

/** Answers which files a specifier in `from` stands for; none where it is another package's. */
export function resolver(paths: ReadonlySet<string>): (specifier: string, from: string) => string[] {
  const names = moduleNames();
  const others = standIns();
  return (specifier, from) => {
    const places = specifier.startsWith(".")
      ? [join(from, "..", specifier)]
      : [
          ...(names.get(specifier) ?? []),
          ...(specifier.startsWith("chainmote/") ? [specifier.replace("chainmote", "firmware")] : []),
        ];
    return places
      .flatMap((place) => [place, place.replace(/\.js$/, ".ts"), `${place}.ts`, place.replace(/\.js$/, ".d.ts"), `${place}.d.ts`])
      .filter((place) => paths.has(place))
      .flatMap((place) => [place, ...(others.get(place) ?? [])]);
  };
}
