// The tree of a harness: its runs, weaknesses, proposals and lineage, as the server tells them.

import * as vscode from "vscode";
import type { Client } from "./client";
import type { TreeAnswer, TreeEntry } from "./protocol";
import { type Roots, label } from "./roots";

/** The id of the view. */
export const VIEW = "selfHarness.harness";

/** A harness, where there are several, or an item of one. */
export interface Node {
  readonly root: vscode.Uri;
  readonly entry?: TreeEntry;
}

/** Icons by kind; those of runs and proposals also say their state. */
const ICONS: Record<string, string> = {
  "group/runs": "history",
  "group/weaknesses": "bug",
  "group/proposals": "lightbulb",
  "group/lineage": "git-commit",
  "run/queued": "clock",
  "run/running": "sync~spin",
  "run/stopping": "sync~spin",
  "run/paused": "debug-pause",
  "run/interrupted": "debug-disconnect",
  "run/result": "pass",
  "run/empty": "circle-outline",
  "run/cancelled": "circle-slash",
  "run/undecided": "question",
  "run/failed": "error",
  "weakness/open": "bug",
  "weakness/blocked": "circle-slash",
  "weakness/old": "history",
  "place/": "location",
  "place/old": "location",
  "proposal/waiting": "lightbulb-autofix",
  "proposal/accepted": "pass",
  "proposal/rejected": "circle-slash",
  "proposal/held": "clock",
  "proposal/undecided": "question",
  "proposal/open": "lightbulb",
  "proposal/dismissed": "eye-closed",
};

/** Shows the tree and its badge. */
export class Tree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<Node | undefined>();
  private readonly view: vscode.TreeView<Node>;
  private readonly waiting = new Map<string, number>();

  readonly onDidChangeTreeData = this.changed.event;

  constructor(
    private readonly client: () => Client | undefined,
    private readonly roots: Roots,
  ) {
    this.view = vscode.window.createTreeView(VIEW, { treeDataProvider: this, showCollapseAll: true });
  }

  /** Whether somebody sees it. */
  get isVisible(): boolean {
    return this.view.visible;
  }

  /** A server has begun to talk. */
  listen(client: Client): void {
    client.hear("selfHarness/treeChanged", () => this.refresh());
  }

  /** Something may be another way. */
  refresh(): void {
    this.changed.fire(undefined);
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (!this.client()) {
      this.count(new Map());
      return [];
    }
    if (node) {
      return this.items(node);
    }
    const roots = this.roots.all.map((root) => ({ root }));
    const tops = await Promise.all(roots.map((root) => this.items(root)));
    const [only] = tops;
    if (1 < tops.length || !only) {
      return roots;
    }
    // Of a harness of which nothing is known the welcome text says what can be done.
    return isFresh(only) ? [] : only;
  }

  getTreeItem({ root, entry }: Node): vscode.TreeItem {
    if (!entry) {
      const item = new vscode.TreeItem(label(root), vscode.TreeItemCollapsibleState.Expanded);
      item.id = root.toString();
      item.iconPath = new vscode.ThemeIcon("folder");
      item.contextValue = "harness";
      return item;
    }
    const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
    const state = !entry.hasChildren ? None : entry.kind === "group" ? Expanded : Collapsed;
    const item = new vscode.TreeItem(entry.text, state);
    // A view remembers by id what is closed; a group that gets its first item is to be open.
    item.id = `${root.toString()}#${entry.id}${entry.kind === "group" && !entry.hasChildren ? "/" : ""}`;
    item.description = entry.detail;
    item.tooltip = entry.tooltip || `${entry.text} ${entry.detail}`;
    const icon = ICONS[entry.kind === "group" ? `group/${entry.id}` : `${entry.kind}/${entry.state}`];
    item.iconPath = new vscode.ThemeIcon(icon ?? "circle-small");
    const location = entry.location ? ["location"] : [];
    item.contextValue = [entry.kind, ...entry.actions, ...location].join(" ");
    // Groups of runs, weaknesses and proposals only open and close.
    if (entry.uri || entry.location) {
      item.command = { command: "selfHarness.openItem", title: "Open", arguments: [{ root, entry }] };
    }
    return item;
  }

  /** The items in an item, as the server tells them. */
  async entries(root: vscode.Uri, parent?: string): Promise<TreeEntry[]> {
    const tree = await this.client()?.sendRequest<TreeAnswer>("selfHarness/tree", { root: root.toString(), parent });
    return tree?.items ?? [];
  }

  dispose(): void {
    this.view.dispose();
    this.changed.dispose();
  }

  private async items({ root, entry }: Node): Promise<Node[]> {
    const client = this.client();
    if (!client) {
      return [];
    }
    const params = { root: root.toString(), parent: entry?.id };
    const tree = await client.sendRequest<TreeAnswer>("selfHarness/tree", params);
    if (!entry) {
      this.count(new Map(this.waiting).set(root.toString(), tree.badge));
    }
    return tree.items.map((item) => ({ root, entry: item }));
  }

  /** Accepted proposals that wait to be applied. */
  private count(waiting: Map<string, number>): void {
    this.waiting.clear();
    for (const [root, count] of waiting) {
      if (this.roots.all.some((known) => known.toString() === root)) {
        this.waiting.set(root, count);
      }
    }
    const value = [...this.waiting.values()].reduce((sum, count) => sum + count, 0);
    const tooltip = value === 1 ? "1 accepted proposal waits" : `${value} accepted proposals wait`;
    this.view.badge = value === 0 ? undefined : { value, tooltip };
  }
}

/** Whether nothing was measured yet: not hidden, not unreadable, just not there. */
function isFresh(groups: readonly Node[]): boolean {
  const group = (id: string): TreeEntry | undefined => groups.find(({ entry }) => entry?.id === id)?.entry;
  const canStart = group("runs")?.actions.includes("evaluate") ?? false;
  return canStart && group("lineage")?.uri !== null && !groups.some(({ entry }) => entry?.hasChildren);
}
