// The folders that hold a harness, and which of them a command is about.

import * as vscode from "vscode";

const MANIFEST = "harness.toml";

/** What is never a harness of the user. */
const EXCLUDED = "**/{node_modules,target,.git,.self-harness,.venv}/**";

/** The folders below the workspace that hold a `harness.toml`, sorted. */
export async function find(): Promise<vscode.Uri[]> {
  const manifests = await vscode.workspace.findFiles(`**/${MANIFEST}`, EXCLUDED);
  const roots = manifests.filter((uri) => uri.scheme === "file").map((uri) => vscode.Uri.joinPath(uri, ".."));
  return roots.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Those that lie in no other: they hold all documents. */
export function outermost(roots: readonly vscode.Uri[]): vscode.Uri[] {
  return roots.filter((root) => !roots.some((other) => other.path !== root.path && holds(other, root)));
}

/** Whether a folder is, or lies around, something. */
export function holds(root: vscode.Uri, uri: vscode.Uri): boolean {
  return uri.scheme === root.scheme && (uri.path === root.path || uri.path.startsWith(`${root.path}/`));
}

/** The manifest of a root. */
export function manifest(root: vscode.Uri): vscode.Uri {
  return vscode.Uri.joinPath(root, MANIFEST);
}

/** A short name: the way from the workspace. */
export function label(root: vscode.Uri): string {
  const way = vscode.workspace.asRelativePath(root, true);
  return way || root.path;
}

/** Keeps the roots of the window; tells when there are others. */
export class Roots implements vscode.Disposable {
  private known: vscode.Uri[] = [];
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly watcher = vscode.workspace.createFileSystemWatcher(`**/${MANIFEST}`, false, true, false);
  private readonly folders: vscode.Disposable;

  /** There are others than before. */
  readonly onDidChange = this.changed.event;

  constructor() {
    const look = (): void => void this.look();
    this.watcher.onDidCreate(look);
    this.watcher.onDidDelete(look);
    this.folders = vscode.workspace.onDidChangeWorkspaceFolders(look);
  }

  /** The roots, sorted. */
  get all(): readonly vscode.Uri[] {
    return this.known;
  }

  /** Looks for harnesses. */
  async look(): Promise<void> {
    const found = await find();
    const before = this.known.join();
    this.known = found;
    if (found.join() !== before) {
      this.changed.fire();
    }
  }

  /** The root that holds a document: the innermost. */
  of(uri: vscode.Uri): vscode.Uri | undefined {
    return this.known.filter((root) => holds(root, uri)).pop();
  }

  /** The root that a command is about: that of the active editor, else the only one, else the one that the user picks. */
  async pick(): Promise<vscode.Uri | undefined> {
    const active = vscode.window.activeTextEditor?.document.uri;
    const here = active && this.of(active);
    if (here || this.known.length < 2) {
      return here ?? this.known[0];
    }
    const items = this.known.map((root) => ({ label: label(root), root }));
    const picked = await vscode.window.showQuickPick(items, { placeHolder: "Which harness?" });
    return picked?.root;
  }

  dispose(): void {
    this.watcher.dispose();
    this.folders.dispose();
    this.changed.dispose();
  }
}
