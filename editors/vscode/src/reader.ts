// Shows pages of Markdown as they are meant to be read, in a panel whose links lead to other pages. The editor's own preview opens no
// links of ours. A panel loads nothing, and runs one script: that which says what was clicked.

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";

/** The kind of our panels. */
const KIND = "selfHarness.page";

/** Colours and sizes of the editor. */
const STYLE = `
  body { font-family: var(--markdown-font-family, var(--vscode-font-family)); font-size: 14px; line-height: 1.6; padding: 8px 26px 26px; max-width: 960px; }
  h1, h2 { border-bottom: 1px solid var(--vscode-widget-border, rgba(128, 128, 128, 0.35)); padding-bottom: 0.25em; font-weight: 600; }
  code { font-family: var(--vscode-editor-font-family); font-size: 0.93em; }
  :not(pre) > code { background: var(--vscode-textCodeBlock-background); border-radius: 3px; padding: 1px 4px; }
  pre > code { background: none; padding: 0; }
  pre { background: var(--vscode-textCodeBlock-background); border-radius: 3px; padding: 12px; overflow-x: auto; }
  table { border-collapse: collapse; }
  th, td { border-bottom: 1px solid var(--vscode-widget-border, rgba(128, 128, 128, 0.35)); padding: 4px 12px 4px 0; text-align: left; vertical-align: top; }
  blockquote { border-left: 4px solid var(--vscode-textBlockQuote-border); margin: 0; padding: 0 1em; }
  a { color: var(--vscode-textLink-foreground); text-decoration: none; }
  a:hover, a:focus { text-decoration: underline; }
`;

const SCRIPT = `
  const editor = acquireVsCodeApi();
  addEventListener("click", (event) => {
    const href = event.target.closest?.("a")?.getAttribute("href");
    if (href && !href.startsWith("#")) {
      event.preventDefault();
      editor.postMessage(href);
    }
  });
`;

/** Shows pages. */
export class Reader implements vscode.WebviewPanelSerializer<string>, vscode.Disposable {
  private readonly panels = new Map<string, vscode.WebviewPanel>();
  private readonly registered = vscode.window.registerWebviewPanelSerializer(KIND, this);

  /** `follow` opens what a link leads to. */
  constructor(private readonly follow: (target: vscode.Uri) => Promise<void>) {}

  /** Shows a page, in the panel that it has or in a new one. */
  async show(uri: vscode.Uri, markdown: string): Promise<void> {
    const known = this.panels.get(uri.toString());
    if (known) {
      known.reveal();
    }
    const panel = known ?? this.adopt(uri, vscode.window.createWebviewPanel(KIND, "", vscode.ViewColumn.Active));
    await this.fill(panel, uri, markdown);
  }

  /** A page has another text now. */
  async update(uri: vscode.Uri, markdown: string): Promise<void> {
    const panel = this.panels.get(uri.toString());
    if (panel) {
      await this.fill(panel, uri, markdown);
    }
  }

  /** The pages that are open. */
  get open(): vscode.Uri[] {
    return [...this.panels.keys()].map((uri) => vscode.Uri.parse(uri));
  }

  /** A window that is opened again shows what it showed. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel, address: string | undefined): Promise<void> {
    if (address) {
      this.adopt(vscode.Uri.parse(address), panel);
    } else {
      panel.dispose();
    }
  }

  dispose(): void {
    this.registered.dispose();
  }

  private adopt(uri: vscode.Uri, panel: vscode.WebviewPanel): vscode.WebviewPanel {
    this.panels.set(uri.toString(), panel);
    panel.webview.options = { enableScripts: true, localResourceRoots: [] };
    panel.onDidDispose(() => this.panels.delete(uri.toString()));
    panel.webview.onDidReceiveMessage((href: unknown) => {
      if (typeof href === "string") {
        void this.follow(vscode.Uri.parse(href));
      }
    });
    return panel;
  }

  private async fill(panel: vscode.WebviewPanel, uri: vscode.Uri, markdown: string): Promise<void> {
    const nonce = randomBytes(16).toString("base64");
    const body = await vscode.commands.executeCommand<string>("markdown.api.render", markdown);
    const policy = `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'`;
    panel.title = /^# +(.+)$/m.exec(markdown)?.[1]?.replaceAll("`", "") ?? uri.path.slice(1);
    panel.webview.html = `<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
${body}
<script nonce="${nonce}">${SCRIPT} editor.setState(${JSON.stringify(uri.toString())});</script>
</body>
</html>`;
  }
}
