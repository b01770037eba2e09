// The server's pages (`selfharness:`): weaknesses, traces, proposals, reports, as read-only documents that follow what is known.

import * as vscode from "vscode";
import { State } from "vscode-languageclient/node";
import type { Client } from "./client";
import { type CompareAnswer, type ContentAnswer, SCHEME, type TreeAnswer } from "./protocol";

/** Reads pages, and keeps open ones up to date. */
export class Pages implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly languages = new Map<string, string>();
  private readonly registered = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);

  readonly onDidChange = this.changed.event;

  constructor(private readonly client: () => Client | undefined) {}

  /** A server has begun to talk. */
  listen(client: Client): void {
    client.hear("selfHarness/contentChanged", ({ uri }: { uri: string }) => {
      this.changed.fire(vscode.Uri.parse(uri));
    });
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Running) {
        this.refresh();
      }
    });
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const client = this.client();
    if (!client) {
      return "The server of Self-Harness does not run.\n";
    }
    let text = "";
    let offset: number | null = 0;
    while (offset !== null) {
      const part: ContentAnswer = await client.sendRequest("selfHarness/content", { uri: uri.toString(), offset });
      text += part.text;
      offset = part.next;
      this.languages.set(uri.toString(), part.language);
    }
    return text;
  }

  /** Shows a page: Markdown as it is meant to be read, anything else as a document. */
  async open(uri: vscode.Uri): Promise<void> {
    const document = await vscode.workspace.openTextDocument(uri);
    const language = this.languages.get(uri.toString()) ?? "markdown";
    if (document.languageId !== language) {
      await vscode.languages.setTextDocumentLanguage(document, language);
    }
    if (language === "markdown") {
      await vscode.commands.executeCommand("markdown.showPreview", uri);
    } else {
      await vscode.window.showTextDocument(document);
    }
  }

  /** Compares what a proposal changes, side by side. */
  async compare(root: string, proposal: string): Promise<void> {
    const answer = await this.client()?.sendRequest<CompareAnswer>("selfHarness/compare", { root, proposal });
    const pairs = (answer?.pairs ?? []).map(({ left, right, title }) => ({
      left: vscode.Uri.parse(left),
      right: vscode.Uri.parse(right),
      title,
    }));
    const [first] = pairs;
    if (!first) {
      void vscode.window.showInformationMessage(`Self-Harness: ${proposal} changes no file that could be shown.`);
    } else if (pairs.length === 1) {
      await vscode.commands.executeCommand("vscode.diff", first.left, first.right, first.title, { preview: false });
    } else {
      const resources = pairs.map(({ left, right }) => [right, left, right]);
      await vscode.commands.executeCommand("vscode.changes", proposal, resources);
    }
  }

  /** The page about trust of a project, if its pages are shown at all. */
  async trust(root: string): Promise<vscode.Uri | undefined> {
    const tree = await this.client()?.sendRequest<TreeAnswer>("selfHarness/tree", { root });
    // Each address of a project begins as all others do.
    const known = tree?.items.find((item) => item.uri)?.uri;
    return known ? vscode.Uri.parse(known).with({ path: "/trust", query: "" }) : undefined;
  }

  dispose(): void {
    this.registered.dispose();
    this.changed.dispose();
  }

  private refresh(): void {
    for (const document of vscode.workspace.textDocuments) {
      if (document.uri.scheme === SCHEME) {
        this.changed.fire(document.uri);
      }
    }
  }
}
