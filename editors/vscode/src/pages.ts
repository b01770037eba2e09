// The server's pages (`selfharness:`): weaknesses, traces, proposals, reports, as read-only documents that follow what is known.

import * as vscode from "vscode";
import type { Client } from "./client";
import { Reader } from "./reader";
import { type CompareAnswer, type ContentAnswer, SCHEME, type TreeAnswer } from "./protocol";

/** Reads pages, and keeps open ones up to date. */
export class Pages implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly registered = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  private readonly reader = new Reader(
    (uri) => this.read(uri).then(({ text }) => text),
    (target) => this.follow(target),
  );

  readonly onDidChange = this.changed.event;

  constructor(private readonly client: () => Client | undefined) {}

  /** A server has begun to talk. */
  listen(client: Client): void {
    client.hear("selfHarness/contentChanged", ({ uri }: { uri: string }) => {
      this.changed.fire(vscode.Uri.parse(uri));
      void this.update(vscode.Uri.parse(uri));
    });
  }

  provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    return this.read(uri).then(({ text }) => text);
  }

  /** Shows a page: Markdown as it is meant to be read, anything else as a document. */
  async open(uri: vscode.Uri): Promise<void> {
    const { text, language } = await this.read(uri);
    if (language === "markdown") {
      await this.reader.show(uri, text);
    } else {
      const document = await vscode.workspace.openTextDocument(uri);
      await vscode.window.showTextDocument(await vscode.languages.setTextDocumentLanguage(document, language));
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
      await vscode.commands.executeCommand("vscode.diff", first.left, first.right, first.title);
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

  /** Any page may have another text now. */
  refresh(): void {
    for (const { uri } of vscode.workspace.textDocuments.filter((document) => document.uri.scheme === SCHEME)) {
      this.changed.fire(uri);
    }
    for (const uri of this.reader.open) {
      void this.update(uri);
    }
  }

  dispose(): void {
    this.registered.dispose();
    this.reader.dispose();
    this.changed.dispose();
  }

  /** A whole page. */
  private async read(uri: vscode.Uri): Promise<{ text: string; language: string }> {
    const client = this.client();
    if (!client) {
      throw new Error("the server does not run");
    }
    let text = "";
    let language = "markdown";
    let offset: number | null = 0;
    while (offset !== null) {
      const part: ContentAnswer = await client.sendRequest("selfHarness/content", { uri: uri.toString(), offset });
      text += part.text;
      language = part.language;
      offset = part.next;
    }
    return { text, language };
  }

  /** A link of a page leads to another page, to a file, or out. */
  private async follow(target: vscode.Uri): Promise<void> {
    if (target.scheme === SCHEME) {
      await this.open(target);
    } else if (target.scheme === "file" || target.scheme === "https") {
      await vscode.commands.executeCommand("vscode.open", target);
    }
  }

  private async update(uri: vscode.Uri): Promise<void> {
    const isOpen = this.reader.open.some((open) => open.toString() === uri.toString());
    // What is not there any more keeps the text that it had.
    const page = isOpen ? await this.read(uri).catch(() => undefined) : undefined;
    if (page) {
      await this.reader.update(uri, page.text);
    }
  }
}
