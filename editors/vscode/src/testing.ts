// The test view: a held-in task is a test, and a run ticks them off. Held-out and sealed tasks are locked and never named.

import * as vscode from "vscode";
import type { Client } from "./client";
import { restricted } from "./dialogs";
import type { Outdated, TestChange, Tests } from "./protocol";
import { type Roots, label } from "./roots";

/** States of earlier runs come together; after so long a silence they were all. */
const QUIET_MS = 300;

/** Shows tasks as tests of one harness, or of several side by side. */
export class Testing implements vscode.Disposable {
  private readonly controller = vscode.tests.createTestController("selfHarness", "Self-Harness");
  private run: vscode.TestRun | undefined;
  private isActive = false;
  private ending: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: () => Client | undefined,
    private readonly roots: Roots,
  ) {
    const { Run } = vscode.TestRunProfileKind;
    const profile = (name: string, isDefault: boolean, repeats?: number): void => {
      const start = (request: vscode.TestRunRequest, token: vscode.CancellationToken): Promise<void> =>
        this.start(request, token, repeats);
      this.controller.createRunProfile(name, Run, start, isDefault);
    };
    profile("Evaluate as in Manifest", true);
    profile("Evaluate Once", false, 1);
    this.controller.refreshHandler = () => this.discover();
    this.controller.resolveHandler = (item) => (item ? Promise.resolve() : this.discover());
  }

  /** A server has begun to talk. */
  listen(client: Client): void {
    client.hear("experimental/changeTestState", (change: TestChange) => this.change(change));
    client.hear("experimental/appendOutputToRunTest", (line: string) => this.say(line));
    client.hear("experimental/endRunTest", () => this.end());
    client.hear("selfHarness/testsOutdated", (outdated: Outdated) => this.age(outdated));
    client.hear("selfHarness/treeChanged", () => void this.discover());
  }

  /** Asks which tests there are. */
  async discover(): Promise<void> {
    const client = this.client();
    if (!client) {
      this.controller.items.replace([]);
      return;
    }
    const tops = this.controller.items;
    if (this.roots.all.length === 1) {
      await this.fill(client, this.roots.all[0] as vscode.Uri, undefined, tops);
      return;
    }
    const harnesses = this.roots.all.map(async (root) => {
      const item = tops.get(root.toString()) ?? this.controller.createTestItem(root.toString(), label(root), root);
      await this.fill(client, root, undefined, item.children);
      return item;
    });
    tops.replace(await Promise.all(harnesses));
  }

  dispose(): void {
    this.end();
    this.controller.dispose();
  }

  /** Brings a list of tests up to date. Items that stay are the same objects, so that they keep what is known of them. */
  private async fill(
    client: Client,
    root: vscode.Uri,
    testId: string | undefined,
    into: vscode.TestItemCollection,
  ): Promise<void> {
    const answer = await client.sendRequest<Tests>("experimental/discoverTest", { root: root.toString(), testId });
    const items = answer.tests.map(async (test, at) => {
      const uri = test.textDocument ? vscode.Uri.parse(test.textDocument.uri) : undefined;
      const known = into.get(id(root, test.id));
      const item =
        known?.uri?.toString() === uri?.toString() && known
          ? known
          : this.controller.createTestItem(id(root, test.id), test.label, uri);
      item.label = test.label;
      item.description = test.description;
      item.sortText = String(at).padStart(6, "0");
      if (test.range) {
        item.range = client.protocol2CodeConverter.asRange(test.range);
      }
      if (test.canResolveChildren) {
        await this.fill(client, root, test.id, item.children);
      }
      return item;
    });
    into.replace(await Promise.all(items));
  }

  private async start(
    request: vscode.TestRunRequest,
    token: vscode.CancellationToken,
    repeats: number | undefined,
  ): Promise<void> {
    const client = this.client();
    if (!vscode.workspace.isTrusted) {
      return restricted();
    }
    if (!client) {
      return;
    }
    const wanted = request.include ?? [];
    const root = wanted[0] ? parsed(wanted[0].id).root : (await this.roots.pick())?.toString();
    const ids = (items: readonly vscode.TestItem[]): string[] =>
      items.map((item) => parsed(item.id)).flatMap((item) => (item.root === root && item.test ? [item.test] : []));
    const include = ids(wanted);
    const exclude = ids(request.exclude ?? []);
    token.onCancellationRequested(() => this.abort());
    try {
      // All tasks are the harness, whose score is measured as a whole. What runs is told by the server when it does.
      await (include.length === 0 && exclude.length === 0
        ? client.execute("evaluate", { root, repeats, test: true })
        : client.sendRequest("experimental/runTest", { root, include, exclude, repeats }));
    } catch (error) {
      void vscode.window.showErrorMessage(`Self-Harness: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** A run of somebody: it may have been started elsewhere. */
  private begin(): vscode.TestRun {
    this.run = this.controller.createTestRun(new vscode.TestRunRequest(), "Self-Harness", false);
    this.run.token.onCancellationRequested(() => this.abort());
    return this.run;
  }

  private abort(): void {
    void this.client()?.sendNotification("experimental/abortRunTest");
  }

  private change({ root, testId, state }: TestChange): void {
    const of = this.roots.all.find((known) => known.toString() === vscode.Uri.parse(root).toString());
    const item = of && this.find(of, testId);
    if (item) {
      this.mark(item, state);
    }
  }

  /** A line that a run says of itself; the first comes before any of its tests is told. */
  private say(line: string): void {
    this.isActive = true;
    (this.run ?? this.begin()).appendOutput(`${line}\r\n`);
  }

  /** These were measured with another text than the one that is open. */
  private age({ root, ids }: Outdated): void {
    const of = this.roots.all.find((known) => known.toString() === vscode.Uri.parse(root).toString());
    const items = of ? ids.flatMap((test) => this.find(of, test) ?? []) : [];
    if (0 < items.length) {
      this.controller.invalidateTestResults(items);
    }
  }

  private mark(item: vscode.TestItem, { tag, message }: TestChange["state"]): void {
    const isOver = tag !== "enqueued" && tag !== "started";
    const run = this.run ?? this.begin();
    this.isActive ||= !isOver;
    switch (tag) {
      case "enqueued":
        run.enqueued(item);
        break;
      case "started":
        run.started(item);
        break;
      case "passed":
        run.passed(item);
        break;
      case "failed":
        run.failed(item, new vscode.TestMessage(message ?? "failed"));
        break;
      case "errored":
        run.errored(item, new vscode.TestMessage(message ?? "void"));
        break;
      case "skipped":
        run.skipped(item);
        break;
    }
    if (!this.isActive) {
      // What ended before anybody looked is told at once, and nobody will say that it is over.
      clearTimeout(this.ending);
      this.ending = setTimeout(() => this.end(), QUIET_MS);
    }
  }

  private end(): void {
    clearTimeout(this.ending);
    this.run?.end();
    this.run = undefined;
    this.isActive = false;
  }

  private find(root: vscode.Uri, test: string): vscode.TestItem | undefined {
    const wanted = id(root, test);
    const within = (items: vscode.TestItemCollection): vscode.TestItem | undefined => {
      for (const [, item] of items) {
        const found = item.id === wanted ? item : within(item.children);
        if (found) {
          return found;
        }
      }
      return undefined;
    };
    return within(this.controller.items);
  }
}

function id(root: vscode.Uri, test: string): string {
  return `${root.toString()}#${test}`;
}

function parsed(id: string): { root: string; test: string | undefined } {
  const at = id.indexOf("#");
  return at < 0 ? { root: id, test: undefined } : { root: id.slice(0, at), test: id.slice(at + 1) };
}
