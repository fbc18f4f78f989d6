// A real terminal for a test: tmux, with a shell in it that a program is typed into, and what a person would then see.
//
// Promises: a server of its own, in a folder of its own, which `close` ends with all that runs in it.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../patience.js";

const POLL_MS = 100;

/** Why there is none on this machine, in one line. */
export function tmuxFault(): string | undefined {
  return spawnSync("tmux", ["-V"]).status === 0 ? undefined : "no tmux to look at a terminal with (apt install tmux)";
}

export class Tmux {
  readonly #folder = mkdtempSync(join(tmpdir(), "chainmote-tmux-"));
  readonly #environment: NodeJS.ProcessEnv;

  constructor(columns: number, rows: number) {
    const { TMUX: _, CI: __, NO_COLOR: ___, FORCE_COLOR: ____, ...rest } = process.env;
    this.#environment = { ...rest, TMUX_TMPDIR: this.#folder, LC_ALL: "C.UTF-8" };
    this.#tmux("-f", "/dev/null", "new-session", "-d", "-x", String(columns), "-y", String(rows), "sh");
  }

  type(line: string): void {
    this.#tmux("send-keys", "-l", line);
    this.#tmux("send-keys", "Enter");
  }

  /** `C-c`, `C-z`, … */
  press(key: string): void {
    this.#tmux("send-keys", key);
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** The rows that are seen, or with those that have gone off the top, without what is empty at the end. */
  rows(all = false): readonly string[] {
    const rows = this.#tmux("capture-pane", "-p", ...(all ? ["-S", "-"] : [])).split("\n");
    while (rows.at(-1)?.trim() === "") rows.pop();
    return rows.map((row) => row.trimEnd());
  }

  /** Answers the rows once `condition` holds of them. */
  async see(what: string, condition: (rows: readonly string[]) => boolean, all = false): Promise<readonly string[]> {
    let rows: readonly string[] = [];
    await until(
      () => `${what}:\n${rows.join("\n")}`,
      () => {
        rows = this.rows(all);
        return condition(rows);
      },
      POLL_MS,
    );
    return rows;
  }

  /** Whether the terminal shows its cursor and wraps lines, as a program has to leave it. */
  get isAsBefore(): boolean {
    return this.#tmux("display-message", "-p", "#{cursor_flag} #{wrap_flag}").trim() === "1 1";
  }

  close(): void {
    spawnSync("tmux", ["kill-server"], { env: this.#environment });
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #tmux(...words: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync("tmux", words, { env: this.#environment, encoding: "utf8" });
    if (status !== 0) throw new Error(`tmux ${words[0]}: ${stderr}`);
    return stdout;
  }
}
