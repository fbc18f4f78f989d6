// Runs the programs of docs/verifying.md, as that document has them, against records and anchor receipts of ours and such as must be refused:
// npm run interop:verifiers [-- PROGRAM…], of which there are python, go, rust, java and receipt. One line for each.
//
// Promises: packages come through each language's ordinary client, at the versions that the document names, into build/verifiers;
// a language whose tools are not here, or whose packages cannot be had, is skipped in one line. Never: takes an error for a refusal
// of the good records, or a program that does not run for one that refuses.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Hostile, type Inputs, receipts, records } from "./inputs.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const work = join(root, "build", "verifiers");
const INSTALL_MS = 900_000;
const RUN_MS = 300_000;

/** What a language needs, and how its program is made ready; answers the command that checks a file. */
interface Language {
  readonly tool: readonly string[];
  /** What stands behind the fence of its program, where that is not its name; and what it judges, where that is not records. */
  readonly fence?: string;
  readonly inputs?: () => Inputs;
  prepare(folder: string, program: string, versions: string): readonly string[];
}

class Skipped extends Error {}

const PYTHON: Language = {
  tool: ["python3", "--version"],
  prepare(folder, program, versions) {
    const python = join(folder, "venv", "bin", "python");
    if (!existsSync(python)) install(folder, "python3", "-m", "venv", "venv");
    const packages = [...versions.matchAll(/([a-z0-9]+) (\d[\d.]*\d)/g)].map(([, name, version]) => `${name}==${version}`);
    install(folder, python, "-m", "pip", "install", "-q", "--disable-pip-version-check", ...packages);
    writeFileSync(join(folder, "verify.py"), program);
    return [python, "verify.py"];
  },
};

const LANGUAGES: Readonly<Record<string, Language>> = {
  python: PYTHON,
  receipt: { ...PYTHON, fence: "python receipt", inputs: receipts },
  go: {
    tool: ["go", "version"],
    prepare(folder, program, versions) {
      const at = (name: string): string => new RegExp(`${name} (v[\\d.]*\\d)`).exec(versions)?.[1] ?? "";
      const modules = [
        ["github.com/veraison/go-cose", at("go-cose")],
        ["github.com/fxamacker/cbor/v2", at("cbor")],
        ["github.com/decred/dcrd/dcrec/secp256k1/v4", at("secp256k1")],
        ["golang.org/x/crypto", at("x/crypto")],
      ];
      const lines = modules.map(([path, version]) => `\t${path} ${version}`).join("\n");
      writeFileSync(join(folder, "go.mod"), `module verify\n\ngo 1.24\n\nrequire (\n${lines}\n)\n`);
      writeFileSync(join(folder, "main.go"), program);
      install(folder, "go", "mod", "tidy");
      make(folder, "go", "build", "-o", "verify", ".");
      return [join(folder, "verify")];
    },
  },
  rust: {
    tool: ["cargo", "--version"],
    prepare(folder, program, versions) {
      const crates = [...versions.matchAll(/([a-z0-9]+) (\d[\d.]*\d)/g)].map(([, name, version]) => `${name} = "=${version}"`);
      writeFileSync(
        join(folder, "Cargo.toml"),
        `[package]\nname = "verify"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n\n[dependencies]\n${crates.join("\n")}\n`,
      );
      mkdirSync(join(folder, "src"), { recursive: true });
      writeFileSync(join(folder, "src", "main.rs"), program);
      install(folder, "cargo", "fetch", "-q");
      make(folder, "cargo", "build", "-q", "--offline");
      return [join(folder, "target", "debug", "verify")];
    },
  },
  java: {
    tool: ["mvn", "--version"],
    prepare(folder, program, versions) {
      const at = (name: string): string => new RegExp(`${name} (\\d[\\d.]*\\d)`).exec(versions)?.[1] ?? "";
      const dependency = (group: string, name: string, version: string): string =>
        `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`;
      writeFileSync(
        join(folder, "pom.xml"),
        `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>verify</groupId><artifactId>verify</artifactId><version>0</version><dependencies>
${dependency("org.bouncycastle", "bcprov-jdk18on", at("bcprov-jdk18on"))}
${dependency("com.upokecenter", "cbor", at("cbor"))}
</dependencies></project>\n`,
      );
      install(folder, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars");
      writeFileSync(join(folder, "Verify.java"), program);
      const path = ["jars/*", "."].join(delimiter);
      make(folder, "javac", "-encoding", "UTF-8", "-cp", path, "Verify.java");
      return ["java", "-cp", path, "Verify"];
    },
  },
};

function call(folder: string, timeout: number, [program, ...words]: readonly string[]) {
  return spawnSync(program as string, words, {
    cwd: folder,
    encoding: "utf8",
    timeout,
    env: { ...process.env, LANG: "C.UTF-8" },
  });
}

/** A step that may fail since something cannot be had. */
function install(folder: string, ...words: readonly string[]): void {
  const { status, stderr, stdout, error } = call(folder, INSTALL_MS, words);
  if (status !== 0) throw new Skipped(`${words.slice(0, 3).join(" ")}: ${lastLine(error?.message ?? (stderr || stdout))}`);
}

/** A step that the program itself makes fail. */
function make(folder: string, ...words: readonly string[]): void {
  const { status, stderr, stdout } = call(folder, INSTALL_MS, words);
  if (status !== 0) throw new Error(`${words.slice(0, 2).join(" ")}: ${stderr}${stdout}`);
}

function lastLine(text: string): string {
  return (text.trim().split("\n").at(-1) ?? "").slice(0, 200);
}

const document = readFileSync(join(root, "docs", "verifying.md"), "utf8");

/** The program of a language, and the sentence before it that names its versions. */
function example(name: string): { program: string; versions: string } {
  const found = new RegExp(`\\n([^\\n]+)\\n\\n\`\`\`${name}\\n([^]*?)\\n\`\`\`\\n`).exec(document);
  if (found === null) throw new Error(`docs/verifying.md has no program in ${name}`);
  return { versions: found[1] as string, program: `${found[2]}\n` };
}

/** What is wrong with a program; empty where nothing is. */
function judge(folder: string, command: readonly string[], { good, expected, hostile }: Inputs): string[] {
  const faults: string[] = [];
  const ask = ({ name, bytes }: Hostile) => {
    writeFileSync(join(folder, `${name}.cborseq`), bytes);
    return call(folder, RUN_MS, [...command, `${name}.cborseq`]);
  };
  const { status, stdout, stderr } = ask({ name: "good", holding: 0, bytes: good });
  if (status !== 0 || stdout !== expected) faults.push(`what holds: exit ${status}, ${stdout}${stderr}`);
  for (const one of hostile) {
    const { status, stdout } = ask(one);
    // What holds was taken, of records the one before it, too: it did run, and it is this one that it refuses.
    if (status === 0 || status === null) faults.push(`${one.name}: taken`);
    else if (stdout.split("ok ").length - 1 > one.holding) faults.push(`${one.name}: ${stdout}`);
  }
  return faults;
}

let failed = 0;
let passed = 0;
let skipped = 0;
const wanted = process.argv.slice(2);
for (const [name, language] of Object.entries(LANGUAGES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  const { program, versions } = example(language.fence ?? name);
  try {
    if (call(folder, RUN_MS, language.tool).status !== 0) throw new Skipped(`no ${language.tool[0]} here`);
    const all = (language.inputs ?? records)();
    const faults = judge(folder, language.prepare(folder, program, versions), all);
    if (faults.length > 0) throw new Error(faults.join("\n  "));
    console.log(`${name}: takes ${all.about}, refuses ${all.hostile.length} that are not right`);
    passed += 1;
  } catch (error) {
    const isSkipped = error instanceof Skipped;
    console.log(`${name}: ${isSkipped ? "skipped, " : "FAILED\n  "}${(error as Error).message}`);
    if (isSkipped) skipped += 1;
    else failed += 1;
  }
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
