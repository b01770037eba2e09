// Asks the user what a command of the palette is about, where lens, menu or cursor do not say.

import * as path from "node:path";
import * as vscode from "vscode";
import type { Client } from "./client";
import type { Argument, Tests, TreeEntry } from "./protocol";
import type { Tree } from "./tree";

/** Finds what a command is about; `undefined` if the user gave up, or there is nothing. */
export async function complete(
  client: Client,
  tree: Tree,
  word: string,
  argument: Argument,
): Promise<Argument | undefined> {
  const root = vscode.Uri.parse(argument.root ?? "");
  switch (word) {
    case "evaluateTask": {
      const tasks = argument.tasks ?? (await pickTask(client, root));
      return tasks && { ...argument, tasks };
    }
    case "apply":
    case "preview":
    case "dismiss":
    case "restore": {
      const proposals = argument.proposals ?? (await pickProposal(tree, root, word));
      return proposals && { ...argument, proposals };
    }
    case "weaknesses": {
      const clusters = argument.clusters ?? (argument.file ? [] : await pickWeakness(tree, root));
      return clusters && { ...argument, clusters };
    }
    case "trace": {
      const tasks = argument.tasks ?? (await pickTask(client, root));
      return tasks && { ...argument, tasks };
    }
    case "resume": {
      const run = argument.run ?? (await pickRun(tree, root));
      return run ? { ...argument, run } : undefined;
    }
    case "rendered": {
      const file = argument.file ?? here(root);
      return file ? { ...argument, file } : says("Open a prompt of the harness first.");
    }
    case "rule": {
      const rule = argument.rule ?? (await pickRule());
      return rule ? { ...argument, rule } : undefined;
    }
    default:
      return argument;
  }
}

async function pickTask(client: Client, root: vscode.Uri): Promise<string[] | undefined> {
  const params = { root: root.toString(), testId: "held-in" };
  const { tests } = await client.sendRequest<Tests>("experimental/discoverTest", params);
  const labels = tests.map((test) => test.label);
  const picked = await vscode.window.showQuickPick(labels, { placeHolder: "Which held-in task?" });
  return picked === undefined ? undefined : [picked];
}

async function pickProposal(tree: Tree, root: vscode.Uri, word: string): Promise<string[] | undefined> {
  const all = await tree.entries(root, "proposals");
  const entry = await pick(
    all.filter((one) => one.actions.includes(word)),
    `Which proposal? (${word})`,
    `There is no proposal to ${word}.`,
  );
  return entry && [entry.id.split("/")[1] ?? ""];
}

async function pickWeakness(tree: Tree, root: vscode.Uri): Promise<string[] | undefined> {
  const all = await tree.entries(root, "weaknesses");
  const entry = await pick(all, "Which weakness?", "No weakness is known: evaluate the harness first.");
  const cluster = entry && /\bC-[0-9a-f]+/.exec(entry.detail)?.[0];
  return cluster === undefined ? undefined : [cluster];
}

/** A run that is not over, or was cancelled: what it has measured is kept. */
async function pickRun(tree: Tree, root: vscode.Uri): Promise<string | undefined> {
  const all = await tree.entries(root, "runs");
  const some = all.filter((one) => ["paused", "interrupted", "cancelled"].includes(one.state));
  const entry = some.length === 1 ? some[0] : await pick(some, "Which run?", "There is no run to resume.");
  return entry?.id.split("/")[1];
}

async function pick(entries: TreeEntry[], placeHolder: string, none: string): Promise<TreeEntry | undefined> {
  if (entries.length === 0) {
    return says(none);
  }
  const items = entries.map((entry) => ({ label: entry.text, description: entry.detail, entry }));
  return (await vscode.window.showQuickPick(items, { placeHolder, matchOnDescription: true }))?.entry;
}

/** A rule of a problem of the active document, or any that the user names. */
async function pickRule(): Promise<string | undefined> {
  const uri = vscode.window.activeTextEditor?.document.uri;
  const problems = uri ? vscode.languages.getDiagnostics(uri) : [];
  const codes = problems
    .filter((problem) => problem.source?.startsWith("self-harness"))
    .map(({ code }) => String(typeof code === "object" ? code.value : code));
  if (0 < codes.length) {
    return vscode.window.showQuickPick([...new Set(codes)].sort(), { placeHolder: "Which rule?" });
  }
  return vscode.window.showInputBox({ prompt: "Which rule?", placeHolder: "SH104" });
}

/** The active document, by its way from the root. */
function here(root: vscode.Uri): string | undefined {
  const active = vscode.window.activeTextEditor?.document.uri;
  const way = active?.scheme === "file" ? path.posix.relative(root.path, active.path) : "..";
  return way.startsWith("..") ? undefined : way;
}

function says(message: string): undefined {
  void vscode.window.showInformationMessage(`Self-Harness: ${message}`);
  return undefined;
}
