// What the command line does: creating a harness, the example, results of other programs, and the sealed tasks.

import { execFile } from "node:child_process";
import { homedir } from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import * as vscode from "vscode";
import { find } from "./binary";
import { manifest } from "./roots";

/** What a harness can begin with; all but the first is made around an agent that is there. */
const PRESETS = [
  { label: "minimal", detail: "The built-in agent with a shell, a runtime rule and three tasks: the way to start" },
  { label: "claude-code", detail: "Claude Code, with the CLAUDE.md, subagents and skills that are there" },
  { label: "mini-swe-agent", detail: "mini-swe-agent, with mini.yaml of your own installation" },
  { label: "deepagents", detail: "deepagents, with a Python function for each text that may change" },
  { label: "harbor-terminal-bench-2", detail: "Terminal-Bench 2 run by Harbor, with the published splits" },
];

/** `Create Harness…`. */
export async function create(context: vscode.ExtensionContext): Promise<void> {
  const preset = await vscode.window.showQuickPick(PRESETS, { placeHolder: "What to start from" });
  const folder = preset && (await pickFolder("Create Harness Here"));
  if (!folder) {
    return;
  }
  try {
    await promisify(execFile)(await find(context), ["init", "--preset", preset.label, folder.fsPath]);
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    void vscode.window.showErrorMessage(`Self-Harness: ${stderr?.trim() || message}`);
    return;
  }
  if (vscode.workspace.getWorkspaceFolder(folder)) {
    await vscode.window.showTextDocument(manifest(folder));
  } else {
    await vscode.commands.executeCommand("vscode.openFolder", folder);
  }
}

/** `Open Example`: an example harness is written into a folder and shown at work in a terminal. */
export async function demo(context: vscode.ExtensionContext): Promise<void> {
  const folder = await pickFolder("Put the Example Here");
  if (!folder) {
    return;
  }
  const example = vscode.Uri.joinPath(folder, "self-harness-demo");
  inTerminal("Example", folder, await find(context), ["demo", "--directory", example.fsPath]);
  const open = "Open Folder";
  const message = "Self-Harness: the example runs in the terminal, with a model that follows a script. Its folder can be opened meanwhile.";
  if ((await vscode.window.showInformationMessage(message, open)) === open) {
    await vscode.commands.executeCommand("vscode.openFolder", example, { forceNewWindow: true });
  }
}

/** `Seal`: reads the sealed tasks, once, which is asked in a terminal. */
export async function seal(context: vscode.ExtensionContext, root: vscode.Uri): Promise<void> {
  inTerminal("Seal", root, await find(context), ["seal"]);
}

/** `Import Results…`: takes what another program has left as evidence; the terminal says what was left out. */
export async function importResults(context: vscode.ExtensionContext, root: vscode.Uri): Promise<void> {
  const picked = await vscode.window.showOpenDialog({
    canSelectFolders: true,
    canSelectFiles: false,
    defaultUri: root,
    openLabel: "Import Results",
    title: "A Harbor job, or results of mini-swe-agent or SWE-agent",
  });
  const folder = picked?.[0];
  if (folder) {
    inTerminal("Import", root, await find(context), ["import", folder.fsPath]);
  }
}

/** `Open User Configuration`: what belongs to the machine, such as caps and keys. */
export async function openConfiguration(): Promise<void> {
  const home = process.env["XDG_CONFIG_HOME"] || path.join(homedir(), ".config");
  const uri = vscode.Uri.file(path.join(home, "self-harness", "config.toml"));
  const exists = await vscode.workspace.fs.stat(uri).then(
    () => true,
    () => false,
  );
  // A file that is not there yet is written when it is saved, and not before.
  const document = await vscode.workspace.openTextDocument(exists ? uri : uri.with({ scheme: "untitled" }));
  await vscode.window.showTextDocument(document);
}

async function pickFolder(openLabel: string): Promise<vscode.Uri | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const [only] = folders;
  if (folders.length === 1 && only) {
    return only.uri;
  }
  if (1 < folders.length) {
    return (await vscode.window.showWorkspaceFolderPick())?.uri;
  }
  const picked = await vscode.window.showOpenDialog({ canSelectFolders: true, canSelectFiles: false, openLabel });
  return picked?.[0];
}

function inTerminal(name: string, cwd: vscode.Uri, program: string, args: string[]): void {
  const terminal = vscode.window.createTerminal({ name: `Self-Harness: ${name}`, cwd });
  terminal.show();
  terminal.sendText([program, ...args].map(quoted).join(" "));
}

function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
