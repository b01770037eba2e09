// The commands of the palette, of lenses and of menus. What the server can do is asked of it; what needs the editor is done here.

import * as vscode from "vscode";
import type { Client } from "./client";
import { restricted } from "./dialogs";
import type { Pages } from "./pages";
import type { Argument } from "./protocol";
import type { Roots } from "./roots";
import type { Node } from "./tree";

/** Words of the server that are asked of it as they are. The first ones execute, spend, or write below the project. */
const ACTING = [
  "evaluate",
  "evaluateTask",
  "smoke",
  "propose",
  "validate",
  "improve",
  "resume",
  "retry",
  "discard",
  "apply",
  "dismiss",
  "restore",
  "doctor",
] as const;
const READING = ["mine", "cancel", "weaknesses", "trace", "report", "lineage", "rendered", "rule"] as const;

/** Words that are done here: by a module of its own each. */
export type Own =
  | "preview"
  | "fixAll"
  | "seal"
  | "trust"
  | "key"
  | "budget"
  | "init"
  | "demo"
  | "import"
  | "status"
  | "restart"
  | "log"
  | "menu";

/** Every word of the palette. */
type Word = (typeof ACTING)[number] | (typeof READING)[number] | Own;

/** Something done here. */
export type Action = (argument: Argument) => Promise<unknown>;

/** Words of ours that change something, and so do nothing in Restricted Mode. */
const ACTING_HERE = new Set<string>(["seal", "trust", "key", "init", "demo", "import"]);

/** Finds what a command is about where it was not said; `undefined` if the user gave up. */
export type Complete = (word: string, argument: Argument) => Promise<Argument | undefined>;

/** What commands need of the rest. */
export interface Desk {
  client(): Client | undefined;
  roots: Roots;
  pages: Pages;
  complete: Complete;
  own: Record<Own, Action>;
}

/** Performs commands, wherever they come from. */
export class Commands implements vscode.Disposable {
  private readonly registered: vscode.Disposable[];

  constructor(private readonly desk: Desk) {
    const words: Word[] = [...ACTING, ...READING, ...(Object.keys(desk.own) as Own[])];
    this.registered = words.map((word) =>
      vscode.commands.registerCommand(`selfHarness.${word}`, (about?: unknown) => this.perform(word, argumentOf(about))),
    );
    this.registered.push(
      vscode.commands.registerCommand("selfHarness.openItem", (node: Node) => this.openItem(node)),
      vscode.commands.registerCommand("selfHarness.openLocation", (node: Node) => openLocation(node)),
    );
  }

  /** Performs a command; the server's answer, if it was asked. */
  async perform(word: string, about: Argument = {}): Promise<unknown> {
    const { client, complete, own, roots } = this.desk;
    const isActing = (ACTING as readonly string[]).includes(word) || ACTING_HERE.has(word);
    if (isActing && !vscode.workspace.isTrusted) {
      return restricted();
    }
    if (word in own) {
      return own[word as Own](about);
    }
    const running = client();
    if (!running) {
      return down(roots);
    }
    const root = about.root ?? (await roots.pick())?.toString();
    const argument = await complete(word, { ...about, root });
    return argument && running.execute(word, argument);
  }

  dispose(): void {
    vscode.Disposable.from(...this.registered).dispose();
  }

  private async openItem(node: Node): Promise<void> {
    if (node.entry?.uri) {
      await this.desk.pages.open(vscode.Uri.parse(node.entry.uri));
    } else {
      await openLocation(node);
    }
  }
}

async function openLocation({ entry }: Node): Promise<void> {
  if (entry?.location) {
    const { start, end } = entry.location.range;
    const selection = new vscode.Range(start.line, start.character, end.line, end.character);
    await vscode.window.showTextDocument(vscode.Uri.parse(entry.location.uri), { selection });
  }
}

/** Says that there is no server to ask. */
export async function down(roots: Roots): Promise<void> {
  if (roots.all.length === 0) {
    const create = "Create Harness…";
    const message = "Self-Harness: no folder with a `harness.toml` is open.";
    if ((await vscode.window.showInformationMessage(message, create)) === create) {
      await vscode.commands.executeCommand("selfHarness.init");
    }
    return;
  }
  const choice = await vscode.window.showErrorMessage("Self-Harness: the server does not run.", "Restart", "Log");
  if (choice) {
    await vscode.commands.executeCommand(choice === "Log" ? "selfHarness.log" : "selfHarness.restart");
  }
}

/** What a command is about: an item of the tree, a page that is open, or what the server has put into a lens. */
function argumentOf(about: unknown): Argument {
  if (about instanceof vscode.Uri) {
    const proposal = /^\/proposal\/(P\d+)/.exec(about.path)?.[1];
    return proposal ? { proposals: [proposal] } : {};
  }
  if (typeof about !== "object" || about === null) {
    return {};
  }
  if (!("root" in about && about.root instanceof vscode.Uri)) {
    return about;
  }
  const { root, entry } = about as Node;
  const argument: Argument = { root: root.toString() };
  // `run/r-0001`, `proposal/P3`; a cluster is named by what people read.
  const name = entry?.id.split("/")[1] ?? "";
  switch (entry?.kind) {
    case "run":
      return { ...argument, run: name };
    case "proposal":
      return { ...argument, proposals: [name] };
    case "weakness": {
      const cluster = /\bC-[0-9a-f]+/.exec(entry.detail)?.[0];
      return cluster ? { ...argument, clusters: [cluster] } : argument;
    }
    default:
      return argument;
  }
}
