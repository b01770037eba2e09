// The life of the server: it is started, it is started again when it dies, and it is given up when it dies too often.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as vscode from "vscode";
import { ServerProblem, find } from "./binary";
import { Client, type Hooks } from "./client";
import type { Keys } from "./keys";
import type { Roots } from "./roots";

/** A server that dies is started again so often … */
const RESTARTS = 3;
/** … within this time. */
const RESTARTS_WITHIN_MS = 3 * 60_000;
/** A server that has not answered `initialize` by then hangs. */
const START_TIMEOUT_MS = 10_000;
/** It is asked whether it is still there so often, while nothing else is. */
const BEAT_MS = 15_000;
/** Whose connection is gone ends within this time, or does not end. */
const EXIT_MS = 500;
/** What is kept of its standard error to say why it died. */
const LAST_WORDS = 2_000;

/** What the server is doing. `stopped` says why. */
export type ServerState =
  | { readonly is: "off" }
  | { readonly is: "starting" }
  | { readonly is: "running"; readonly client: Client }
  | { readonly is: "stopped"; readonly why: string };

/** Starts the server and keeps it running. */
export class Server implements vscode.Disposable {
  private now: ServerState = { is: "off" };
  private process: ChildProcess | undefined;
  private lastWords = "";
  private deaths: number[] = [];
  private generation = 0;
  private beat: NodeJS.Timeout | undefined;
  private queue: Promise<void> = Promise.resolve();
  private readonly changed = new vscode.EventEmitter<ServerState>();

  /** It does something else now. */
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly roots: Roots,
    private readonly keys: Keys,
    private readonly log: vscode.OutputChannel,
    private readonly hooks: Omit<Hooks, "closed">,
    private readonly prepare: (client: Client) => void,
  ) {}

  /** What it is doing. */
  get state(): ServerState {
    return this.now;
  }

  /** Its client, while it runs. */
  get client(): Client | undefined {
    return this.now.is === "running" ? this.now.client : undefined;
  }

  /** Starts it, or starts it anew because the user or a change asks for it. */
  restart(): Promise<void> {
    this.deaths = [];
    return this.next(() => this.start());
  }

  /** Ends it. */
  stop(): Promise<void> {
    return this.next(async () => {
      await this.end();
      this.become({ is: "off" });
    });
  }

  dispose(): void {
    this.generation += 1;
    clearInterval(this.beat);
    this.process?.kill("SIGKILL");
    this.changed.dispose();
  }

  /** One thing after the other: nobody starts a server while another one is being ended. */
  private next(work: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(work, work);
    return this.queue;
  }

  private async start(): Promise<void> {
    await this.end();
    const generation = ++this.generation;
    this.become({ is: "starting" });
    try {
      const program = await find(this.context);
      const environment = { ...process.env, ...(await this.keys.environment()) };
      const client = new Client(this.roots.all, () => Promise.resolve(this.spawn(program, environment)), this.log, {
        ...this.hooks,
        closed: () => void this.left(generation),
      });
      this.prepare(client);
      await within(client.start(), START_TIMEOUT_MS);
      if (generation === this.generation) {
        this.become({ is: "running", client });
        this.listen(client, generation);
      }
    } catch (error) {
      if (generation !== this.generation) {
        return;
      }
      if (error instanceof ServerProblem) {
        this.give(error.message);
      } else if (error instanceof Late) {
        this.died(generation, `it did not answer within ${START_TIMEOUT_MS / 1000} s`);
      } else {
        await this.left(generation, error);
      }
    }
  }

  private spawn(program: string, environment: NodeJS.ProcessEnv): ChildProcess {
    this.lastWords = "";
    const child = spawn(program, ["lsp"], { env: environment, stdio: "pipe" });
    child.stderr.on("data", (data: Buffer) => {
      this.lastWords = (this.lastWords + data.toString()).slice(-LAST_WORDS);
    });
    this.process = child;
    return child;
  }

  /** Ends the server that there is, in good order if it still listens. */
  private async end(): Promise<void> {
    this.generation += 1;
    clearInterval(this.beat);
    const { client, process } = this;
    this.process = undefined;
    if (client) {
      // Documents are open in the client until it is told; a server that hangs is not waited for.
      await client.stop(2_000).catch(() => undefined);
    }
    process?.kill("SIGKILL");
  }

  /** The server is gone without having been asked to go, or hangs. */
  private died(generation: number, why: string): void {
    if (generation !== this.generation) {
      return;
    }
    this.generation += 1;
    clearInterval(this.beat);
    this.process?.kill("SIGKILL");
    const now = Date.now();
    this.deaths = [...this.deaths.filter((then) => now - then < RESTARTS_WITHIN_MS), now];
    this.log.appendLine(`[client] the server has stopped: ${why}`);
    if (RESTARTS < this.deaths.length) {
      this.give(`The server has stopped ${this.deaths.length} times in a row: ${why}.`);
      return;
    }
    this.become({ is: "starting" });
    void this.next(() => (this.now.is === "starting" ? this.start() : Promise.resolve()));
  }

  private give(why: string): void {
    this.log.appendLine(`[client] ${why}`);
    this.become({ is: "stopped", why });
    void vscode.window.showErrorMessage(`Self-Harness: ${why}`, "Restart", "Log").then((choice) => {
      if (choice) {
        void vscode.commands.executeCommand(choice === "Log" ? "selfHarness.log" : "selfHarness.restart");
      }
    });
  }

  private listen(client: Client, generation: number): void {
    let isAwaited = false;
    this.beat = setInterval(() => {
      if (isAwaited) {
        // Two beats without a word.
        this.died(generation, `it did not answer within ${BEAT_MS / 1000} s`);
        return;
      }
      isAwaited = true;
      client.isThere().then(
        () => (isAwaited = false),
        () => undefined,
      );
    }, BEAT_MS);
  }

  /** The connection is gone: why is known when the process is. */
  private async left(generation: number, error?: unknown): Promise<void> {
    const child = this.process;
    if (child && child.exitCode === null && child.signalCode === null) {
      await within(once(child, "exit"), EXIT_MS).catch(() => undefined);
    }
    const words = this.lastWords.trim().split("\n").pop();
    const end = child?.signalCode
      ? `it was ended by ${child.signalCode}`
      : child?.exitCode != null
        ? `it ended with ${child.exitCode}`
        : error instanceof Error
          ? error.message
          : "its connection was closed";
    this.died(generation, words ? `${end}: ${words}` : end);
  }

  private become(state: ServerState): void {
    this.now = state;
    this.changed.fire(state);
  }
}

/** Something took too long. */
class Late extends Error {}

function within<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Late()), milliseconds);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
