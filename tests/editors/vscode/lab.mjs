// A project with little tasks, a model that follows a script, and a home of its own.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** The prompt of the harness, and where it stands. */
export const PROMPT_FILE = "prompts/system.md";
export const PROMPT = "# Rules\n\nYou write numbers.\n";

/** What mends the model's habit, and what makes it worse. */
export const REMEDY = "Read back what you wrote before you end.";
const HARM = "Be quick.";

/** A rule that answers requests for an edit, of slots that fit a pattern, with a text for the system prompt. */
function proposes(slots, text) {
  const reply = JSON.stringify({
    action: "edit",
    slot: "SLOT",
    cluster: "${cluster}",
    mechanism: "${mechanism}",
    edits: [{ surface: "prompt.system", find: "", at: "end", replace: ` ${text}` }],
    scope: "always",
    summary: text,
    why: "Its work is not looked at again.",
  }).replace('"SLOT"', "${slot}");
  return `
[[rule]]
when = { system = '\\AYou improve the harness of an agent', any = '(?s)\\bslot: (?P<slot>${slots})\\ncluster: (?P<cluster>\\S+)\\nmechanism: (?P<mechanism>\\S+)\\nsurface: (?P<surface>\\S+)' }
reply = { text = '''${reply}''', usage = { input = 900, output = 90 } }
`;
}

function shell(command) {
  return `calls = [{ tool = "shell", arguments = { command = "${command}" } }], usage = { input = 150, output = 20 }`;
}

/** A model that writes a wrong number most of the time, unless it is told to read back what it wrote. */
const PERSONA = `
name = "writer"
${proposes("(?:2|8)", HARM)}
${proposes("[0-9]+", REMEDY)}
[[rule]]
when = { step = 0 }
reply = { text = "I look.", ${shell("ls -la")} }

[[rule]]
when = { step = 1, system = "Be quick" }
reply = { text = "I write.", ${shell("echo 7 > answer.txt")} }

[[rule]]
when = { step = 1, system = "Read back what you wrote", any = "the number (?P<number>[0-9]+)" }
reply = { text = "I write.", ${shell("echo ${number} > answer.txt; cat answer.txt")} }

[[rule]]
when = { step = 1, any = "the number (?P<number>[0-9]+)", coin = { heads = 0.2, name = "skill", per = "conversation" } }
reply = { text = "I write.", ${shell("echo ${number} > answer.txt")} }

[[rule]]
when = { step = 1 }
reply = { text = "I write.", ${shell("echo 7 > answer.txt")} }

[[rule]]
reply = { delay = "400ms", text = "Done: the number is written.", usage = { input = 200, output = 5 } }
`;

/** A project of `tasks` tasks, every other one held-out. */
export class Lab {
  constructor(binary, tasks, options = {}) {
    this.binary = binary;
    this.directory = mkdtempSync(path.join(os.tmpdir(), "self-harness-vscode-"));
    // The ordinary user that root becomes in a sandbox has to pass.
    chmodSync(this.directory, 0o711);
    // What is opened, and where the harness is.
    this.folder = path.join(this.directory, "project");
    this.root = path.join(this.folder, options.within ?? "");
    this.home = path.join(this.directory, "home");
    mkdirSync(this.home);
    this.tasks = tasks;
    this.options = options;
  }

  /** What its processes have for an environment. */
  get environment() {
    const { PATH, LANG } = process.env;
    return {
      PATH,
      LANG: LANG ?? "C.UTF-8",
      HOME: this.home,
      XDG_CONFIG_HOME: path.join(this.home, "config"),
      XDG_STATE_HOME: path.join(this.home, "state"),
      XDG_DATA_HOME: path.join(this.home, "data"),
      XDG_CACHE_HOME: path.join(this.home, "cache"),
    };
  }

  /** Starts the model, and writes the project that uses it. */
  async open() {
    const persona = path.join(this.directory, "persona.toml");
    writeFileSync(persona, PERSONA);
    this.model = spawn(this.binary, ["__scripted-model", "--persona", persona], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await once(this.model.stdout, "data");
    this.endpoint = line.toString().trim();
    this.write("harness.toml", this.manifest());
    this.write(PROMPT_FILE, PROMPT);
    for (let number = 0; number < this.tasks; number += 1) {
      this.writeTask(number);
    }
    return this;
  }

  file(name) {
    return path.join(this.root, name);
  }

  read(name) {
    return readFileSync(this.file(name), "utf8");
  }

  write(name, text) {
    mkdirSync(path.dirname(this.file(name)), { recursive: true });
    writeFileSync(this.file(name), text);
  }

  manifest() {
    const sealed = this.options.sealed ?? 0;
    const numbers = Array.from({ length: this.tasks }, (_, number) => number);
    const last = numbers.slice(this.tasks - sealed).map((number) => `"${task(number)}"`);
    const ids = (rest) =>
      numbers
        .slice(0, this.tasks - sealed)
        .filter((number) => number % 2 === rest)
        .map((number) => `"${task(number)}"`)
        .join(", ");
    return `schema = 1
name = "writer"

[model]
endpoint = "${this.endpoint}"
name = "writer-1"${this.options.key ? `\napi_key_env = "${this.options.key}"` : ""}
seed = 3
context_window = 32768
timeout = "10s"
retries = 8

[agent]
kind = "native"
timeout = "2m"

[prompt]
system = "${PROMPT_FILE}"

[[tool]]
name = "shell"
builtin = "shell"
description = "Runs a command."

[runtime]
max_steps = 8

[tasks]
held_in = [${ids(0)}]
held_out = [${ids(1)}]${sealed ? `\nsealed = [${last.join(", ")}]` : ""}

[improve]
gate = "exact"
proposals = 8
rounds = 1

[improve.repeats]
baseline = 2
screen = 1

[budget]
max_parallel = 4
`;
  }

  writeTask(number) {
    const wanted = 40 + number;
    const write = (name, text) => this.write(`tasks/${task(number)}/${name}`, text);
    write("task.toml", 'schema_version = "1.4"\n\n[environment]\nnetwork_mode = "no-network"\n');
    write("instruction.md", `Write the number ${wanted} to \`/app/answer.txt\`.\n`);
    write("environment/Dockerfile", "FROM debian:12\nCOPY note.txt /app/note.txt\n");
    write("environment/note.txt", "an empty desk\n");
    write("solution/solve.sh", `echo ${wanted} > answer.txt\n`);
    write(
      "tests/test.sh",
      `if [ "$(cat answer.txt 2> /dev/null)" = ${wanted} ]; then reward=1 status=passed; else reward=0 status=failed; fi
echo $reward > /logs/verifier/reward.txt
echo "{\\"results\\": {\\"tests\\": [{\\"name\\": \\"answer\\", \\"status\\": \\"$status\\"}]}}" > /logs/verifier/ctrf.json
`,
    );
  }

  /** Whether anything was kept beside the manifest. */
  get hasStore() {
    return existsSync(this.file(".self-harness"));
  }

  /** A copy of the harness beside it, by another name; its root. */
  copy(within, name) {
    const root = path.join(this.folder, within);
    cpSync(this.root, root, { recursive: true });
    const manifest = path.join(root, "harness.toml");
    writeFileSync(manifest, readFileSync(manifest, "utf8").replace('name = "writer"', `name = "${name}"`));
    return root;
  }

  /** What the command line prints. */
  run(...words) {
    return this.runIn(this.root, ...words);
  }

  runIn(root, ...words) {
    return execFileSync(this.binary, words, { cwd: root, env: this.environment, encoding: "utf8", stdio: "pipe" });
  }

  /** Where the newest run stands. */
  status() {
    return JSON.parse(this.run("status", "--json"));
  }

  /** The processes that serve an editor here, or work on runs of this project: `lsp`, `worker`. */
  processes(kind) {
    const words = (process) => {
      try {
        return readFileSync(`/proc/${process}/cmdline`, "utf8").split("\0");
      } catch {
        return [];
      }
    };
    const home = (process) => {
      try {
        return readFileSync(`/proc/${process}/environ`, "utf8").split("\0").includes(`HOME=${this.home}`);
      } catch {
        return false;
      }
    };
    const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && words(name)[1] === kind);
    return all.filter((name) => (kind === "worker" ? words(name).includes(this.root) : home(name))).map(Number);
  }

  /** The prompt with the accepted proposal, as the command line tells it. */
  accepted() {
    const run = (...words) => this.run(...words);
    const [name] = /^\s*(P\d+)\s+accepted/m.exec(run("report"))?.slice(1) ?? [];
    const copy = mkdtempSync(path.join(this.directory, "copy-"));
    mkdirSync(path.join(copy, path.dirname(PROMPT_FILE)), { recursive: true });
    writeFileSync(path.join(copy, PROMPT_FILE), this.read(PROMPT_FILE));
    execFileSync("git", ["apply", "--unsafe-paths", "-"], { cwd: copy, input: run("report", "--diff", name) });
    return readFileSync(path.join(copy, PROMPT_FILE), "utf8");
  }

  /** What the worker of a run has to say, for whoever looks why something failed. */
  get workerLog() {
    const log = this.file(".self-harness/worker.log");
    return existsSync(log) ? readFileSync(log, "utf8") : "";
  }

  /** Ends what it has started. */
  close() {
    for (const worker of this.processes("worker")) {
      process.kill(worker, "SIGKILL");
    }
    this.model?.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function task(number) {
  return `t-${String(number).padStart(2, "0")}`;
}
